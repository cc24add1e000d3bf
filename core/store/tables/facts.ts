/** What the store keeps of a table's definition: its columns, its key, and the catalog as of the last run. */
import type { StoreTransaction } from '../../pg/transaction.ts';
import type { CatalogFacts } from '../../types/catalog-facts.ts';

/** A column as the catalog described it, and since when that description has held. */
export interface StoredColumn {
  readonly attnum: number;
  readonly name: string;
  readonly type_oid: number;
  readonly type_name: string;
  /** LSN text: an older version's value under this name may belong to another column. */
  readonly since_lsn: string;
  /** The names that the column itself had before, oldest first. */
  readonly former_names?: readonly FormerName[];
}

/** A name that a column had for changes after `since_lsn`, up to `until_lsn`. Both 0/0: nobody knows when. */
export interface FormerName {
  readonly name: string;
  readonly since_lsn: string;
  readonly until_lsn: string;
}

/** Refreshes what the catalog says of a relation. */
export async function writeCatalogFacts(
  store: StoreTransaction,
  relationId: number,
  facts: {
    readonly relid: number;
    readonly columns: readonly StoredColumn[];
    readonly persistence: string;
    readonly replicaIdentity: string;
    readonly isPartitioned: boolean;
    readonly compared: CatalogFacts;
  },
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

/** The entry of the publication is another one since runs have replaced it. */
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

/** The columns of the key have other names or types. */
export async function writeKey(
  store: StoreTransaction,
  relationId: number,
  columns: readonly string[],
  kinds: readonly string[],
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations SET pk_columns = $2::text[], pk_kinds = $3::text[], updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, columns, kinds],
  );
}
