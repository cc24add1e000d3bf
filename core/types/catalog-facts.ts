/**
 * What the catalog said of a tracked table, in the form in which the store keeps it from run to run. Only what the
 * comparison of two runs needs; names and OIDs, never row data. What is optional was not compared by former versions, or says
 * nothing through the node's plugin.
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
  /** Why the log does not tell every change of the table, or not by its key; null: it does. */
  readonly obstacle?: string | null;
  readonly columns: readonly CatalogColumn[];
  readonly leaves: readonly CatalogLeaf[];
  /** The types whose values follow more than the rows; see TypeShape. */
  readonly types?: readonly TypeShape[];
  /** Through pgoutput: how the publication shows the table; null: not at all. */
  readonly published?: Published | null;
  /** Names that leaves had, under which changes may still come. */
  readonly formerLeaves?: readonly FormerLeaf[];
  /** Names that columns had and no column has now; rows of the history may still have them. */
  readonly formerColumns?: readonly FormerColumn[];
  /** Types of columns that are gone, of which changes may still come. */
  readonly formerTypes?: readonly FormerType[];
}

/** A type that columns had at an earlier run, and none has now. */
export interface FormerType extends TypeShape {
  /** A position past every change that came with it. */
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
