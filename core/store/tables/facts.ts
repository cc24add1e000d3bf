/** What the store keeps of a table's definition: its columns, its key, and the catalog as of the last run. */
import type { StoreTransaction } from '../../pg/transaction.ts';
import type { CatalogFacts } from '../../types/catalog-facts.ts';

/** A column as the catalog described it, and since when that description has held. */
export interface StoredColumn {
  readonly attnum: number;
  readonly name: string;
  readonly type_oid: number;
  readonly type_name: string;
  /** The type below a domain. */
  readonly base_type_oid?: number;
  /** LSN text: an older version's value under this name may belong to another column. */
  readonly since_lsn: string;
  /** LSN text: up to there the column may have had another type. None: it has had this one as long as it is known. */
  readonly typed_since_lsn?: string;
  /** Former names of the column, oldest first. */
  readonly former_names?: readonly FormerName[];
}

/** A name that a column had for changes after `since_lsn`, up to `until_lsn`. Both 0/0: the times are unknown. */
export interface FormerName {
  readonly name: string;
  readonly since_lsn: string;
  readonly until_lsn: string;
}

/** What `tracked_relations` holds of a table's definition. */
export interface StoredDefinition {
  readonly relid: number;
  readonly columns: readonly StoredColumn[];
  readonly persistence: string;
  readonly replicaIdentity: string;
  readonly isPartitioned: boolean;
  /** The catalog that the next run compares with. */
  readonly compared: CatalogFacts;
}

/** Replaces the stored definition of a relation. */
export async function writeCatalogFacts(
  store: StoreTransaction,
  relationId: number,
  facts: StoredDefinition,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET relid = $2::oid, columns = $3::jsonb, persistence = $4::"char", replica_identity = $5::"char",
            is_partitioned = $6::boolean, catalog_facts = $7::jsonb, updated_at = now()
      WHERE relation_id = $1::int`,
    [
      relationId,
      facts.relid,
      JSON.stringify(facts.columns),
      facts.persistence,
      facts.replicaIdentity,
      facts.isPartitioned,
      JSON.stringify(facts.compared),
    ],
  );
}

/** Stores the OID of the publication entry that a run has put in place of the former one. */
export async function writePublishedEntry(
  store: StoreTransaction,
  relationId: number,
  entry: number,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET catalog_facts = jsonb_set(catalog_facts, '{published,entry}', to_jsonb($2::int8)), updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, entry],
  );
}

/** Stores the names and types that the columns of the key have now. */
export async function writeKey(
  store: StoreTransaction,
  relationId: number,
  { columns, kinds }: { readonly columns: readonly string[]; readonly kinds: readonly string[] },
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations SET pk_columns = $2::text[], pk_kinds = $3::text[], updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, columns, kinds],
  );
}
