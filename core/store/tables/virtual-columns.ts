/**
 * When a table has had which virtual generated columns. Neither the log nor a row that a run reads has their values, so every
 * answer about such an instant names them as incomplete.
 */
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import type { Horizon } from '../node/claim.ts';

export interface VirtualColumns {
  readonly relationId: number;
  /** The virtual columns that the table has now. */
  readonly names: readonly string[];
  /** A new column was added after this; null: it was there before tracking began. */
  readonly since: Horizon | null;
  /** A missing column was dropped before this. */
  readonly until: Horizon;
}

/** Stores which virtual columns were added or dropped since the last run. */
export async function writeVirtualColumns(
  store: StoreTransaction,
  { relationId, names, since, until }: VirtualColumns,
): Promise<void> {
  await store.query(
    `WITH gone AS (
       UPDATE pgtimewarp.virtual_columns
          SET to_lsn = $4::pg_lsn, to_ts = $5::timestamptz
        WHERE relation_id = $1::int AND to_lsn IS NULL AND column_name <> ALL ($2::text[]))
     INSERT INTO pgtimewarp.virtual_columns (relation_id, column_name, from_lsn, from_ts)
     SELECT $1::int, n.name, coalesce($3::pg_lsn, '0/0'), coalesce($6::timestamptz, '-infinity')
       FROM unnest($2::text[]) AS n (name)
      WHERE NOT EXISTS (SELECT FROM pgtimewarp.virtual_columns AS v
                         WHERE v.relation_id = $1::int AND v.column_name = n.name AND v.to_lsn IS NULL)
     ON CONFLICT ON CONSTRAINT virtual_columns_pkey -- dropped and added again while the horizon stood still: it counts as present throughout
        DO UPDATE SET to_lsn = NULL, to_ts = NULL`,
    [
      relationId,
      names,
      since === null ? null : formatLsn(since.lsn),
      formatLsn(until.lsn),
      formatCommitTime(until.time),
      since === null ? null : formatCommitTime(since.time),
    ],
  );
}
