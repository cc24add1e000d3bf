/**
 * What the catalog of the source contained about a tracked table, as the store keeps it from run to run. It has only what the
 * comparison of two runs needs: names and OIDs, never row data. An optional member is missing if an earlier version did not
 * compare it, or if it does not matter for the plugin of the node.
 */
import type { TypeShape } from './pg-types.ts';

export interface CatalogFacts {
  readonly oid: number;
  readonly relkind: string;
  readonly persistence: string;
  readonly filenode: number;
  /** OID of the TOAST table; 0: none. */
  readonly toast?: number;
  readonly namedBy?: string | null;
  readonly namespace?: CatalogNamespace;
  readonly key: readonly string[];
  readonly keyConstraint?: number | null;
  /** Why the log lacks some changes of the table, or their key; null: it has all. */
  readonly obstacle?: string | null;
  readonly columns: readonly CatalogColumn[];
  readonly leaves: readonly CatalogLeaf[];
  /** The types whose printed values depend on more than the rows; see TypeShape. */
  readonly types?: readonly TypeShape[];
  /** Through pgoutput: how the publication shows the table; null: not at all. */
  readonly published?: Published | null;
  /** Earlier names of leaves, under which changes may still come. */
  readonly formerLeaves?: readonly FormerLeaf[];
  /** Earlier names of columns that no column has now; rows of the history may still have them. */
  readonly formerColumns?: readonly FormerColumn[];
  /** Types of columns that are gone; changes with them may still come. */
  readonly formerTypes?: readonly FormerType[];
}

/** A type that columns had at an earlier run and that no column has now. */
export interface FormerType extends TypeShape {
  /** A position after every change that used it. */
  readonly until_lsn: string;
}

export interface FormerColumn {
  readonly name: string;
  /** The column that had the name last; 0: a column of a table that is gone. */
  readonly attnum: number;
}

export interface Published {
  /** The entry of the publication, and the transaction that last changed the publication itself. */
  readonly entry: number;
  readonly changedBy: string;
  /** Whether every change is published, with all tracked columns. */
  readonly whole: boolean;
}

export interface FormerLeaf {
  readonly schema: string;
  readonly name: string;
  readonly relid: number;
  /** A position after every change under the name. */
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
  readonly defaultOid?: number | null;
}

/** See NamespaceFacts. */
export interface CatalogNamespace {
  readonly changedBy: string;
  readonly rights: string;
}

export interface CatalogLeaf {
  readonly schema: string;
  readonly name: string;
  readonly relid: number;
  readonly filenode: number;
  readonly toast?: number;
  readonly namedBy?: string;
  readonly namespace?: CatalogNamespace;
  readonly keyConstraint?: number | null;
  readonly attachedBy: string;
}
