/**
 * What the catalog said of a tracked table, in the form in which the store keeps it from run to run. Only what the
 * comparison of two runs needs; names and OIDs, never row data.
 */
export interface CatalogFacts {
  readonly oid: number;
  readonly relkind: string;
  readonly persistence: string;
  readonly replicaIdentity: string;
  readonly identityIsPrimaryKey: boolean;
  readonly filenode: number;
  readonly owner?: string; // not in what was stored before these were compared
  readonly namedBy?: string | null;
  readonly key: readonly string[];
  readonly columns: readonly CatalogColumn[];
  readonly leaves: readonly CatalogLeaf[];
  /** Through pgoutput: how the publication shows the table; null: not at all. */
  readonly published?: Published | null;
  /** Names that leaves had, under which changes may still come. */
  readonly formerLeaves?: readonly FormerLeaf[];
  /** Names that columns had and no column has now; rows of the history may still have them. */
  readonly formerColumns?: readonly FormerColumn[];
}

export interface FormerColumn {
  readonly name: string;
  /** The column that had the name last; 0: a column of a table that is gone. */
  readonly attnum: number;
}

export interface Published {
  /** The entry of the publication, the transaction that last changed the publication itself, and its owner. */
  readonly entry: number;
  readonly changedBy: string;
  readonly owner: string;
  /** Every change is published with all that is tracked of it. */
  readonly whole: boolean;
}

export interface FormerLeaf {
  readonly schema: string;
  readonly name: string;
  readonly relid: number;
  /** A position past every change that came under the name. */
  readonly until_lsn: string;
}

export interface CatalogColumn {
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: number;
  readonly typeName: string;
  readonly baseTypeOid: number;
  readonly generated: string;
  readonly describedBy: string;
  readonly hasMissing: boolean;
}

export interface CatalogLeaf {
  readonly schema: string;
  readonly name: string;
  readonly relid: number;
  readonly persistence: string;
  readonly replicaIdentity: string;
  readonly filenode: number;
  readonly attachedBy: string;
}
