/** Transactions that cannot be applied: how often runs failed, when the node is blocked, and what the store keeps of them. */

import type { Queryable } from '../../pg/connection.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { Claim } from './claim.ts';

/** A transaction that a run failed at. */
export interface Suspect {
  /** The position of its commit, or one that lies past this transaction and no other. */
  readonly lsn: Lsn;
  /** null: unknown. */
  readonly xid: string | null;
  /** Tables that it changes; null: unknown, because it could not be decoded. */
  readonly relationIds: readonly number[] | null;
  /** The output of the plugin, at most its beginning; null for parts that must not be kept. */
  readonly raw: readonly (string | null)[];
}

export interface StoredFailure {
  readonly code: string;
  readonly message: string;
  readonly lsn: Lsn | null;
  readonly xid: string | null;
  readonly relationIds: readonly number[] | null;
}

/** This many runs may fail at one position before the node is blocked. */
export const MAX_FAILURES = 5;

/** Counts a failure. @returns failed runs in a row at this position, this one included */
// biome-ignore lint/complexity/useMaxParams: error and suspect come from different places
export async function recordFailure(
  store: Queryable,
  claim: Claim,
  error: { readonly code: string; readonly message: string },
  suspect: Suspect | null,
): Promise<number> {
  const failure = {
    code: error.code,
    message: error.message,
    lsn: suspect === null ? null : formatLsn(suspect.lsn),
    xid: suspect?.xid ?? null,
    relation_ids: suspect?.relationIds ?? null,
  };
  const { rows } = await store.query<{ failures: number }>(
    `UPDATE pgtimewarp.wal_checkpoints
        SET failures = CASE WHEN failure ->> 'code' = 'NO_PROGRESS' THEN 1 ELSE failures + 1 END, failure = $3::jsonb, last_run_at = clock_timestamp(), last_run_outcome = 'failed',
            caught_up = false
      WHERE node_id = $1::text AND epoch = $2::bigint
      RETURNING failures`,
    [claim.nodeId, claim.epoch, JSON.stringify(failure)],
  );
  const failures = rows[0]?.failures ?? 0;
  if (failures === 1) {
    const event = { severity: 'warn', code: 'RUN_FAILED', message: error.message } as const;
    await writeHealthEvent(store, { nodeId: claim.nodeId, ...event });
  }
  return failures;
}

/** Blocks the node at the transaction that failed: runs read nothing until `skip` or `rebaseline`. */
// biome-ignore lint/complexity/useMaxParams: as recordFailure
export async function blockNode(
  store: StoreTransaction,
  claim: Claim,
  reason: string,
  suspect: Suspect | null,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes SET status = 'blocked', status_reason = $2::text WHERE node_id = $1::text`,
    [claim.nodeId, reason],
  );
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'fail',
    code: 'NODE_BLOCKED',
    message: reason,
    meta: { lsn: suspect === null ? null : formatLsn(suspect.lsn), xid: suspect?.xid ?? null },
  });
  if (suspect === null) return;
  await store.query(
    `INSERT INTO pgtimewarp.blocked_changes (node_id, lsn_space, lsn, position, xid, data)
     SELECT $1::text, $2::int, $3::pg_lsn, position, $4::bigint, data
       FROM unnest($5::text[]) WITH ORDINALITY AS r (data, position)
     ON CONFLICT ON CONSTRAINT blocked_changes_pkey DO NOTHING -- the node was blocked at the same transaction before`,
    [claim.nodeId, claim.lsnSpace, formatLsn(suspect.lsn), suspect.xid, suspect.raw],
  );
}

/** The last failure of the node at its present position; null: none. */
export async function readFailure(store: Queryable, nodeId: string): Promise<StoredFailure | null> {
  const { rows } = await store.query<{
    code: string;
    message: string;
    lsn: string | null;
    xid: string | null;
    relation_ids: string | null;
  }>(
    `SELECT failure ->> 'code' AS code, failure ->> 'message' AS message, failure ->> 'lsn' AS lsn,
            failure ->> 'xid' AS xid, failure ->> 'relation_ids' AS relation_ids
       FROM pgtimewarp.wal_checkpoints WHERE node_id = $1::text AND failure IS NOT NULL`,
    [nodeId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    code: row.code,
    message: row.message,
    lsn: row.lsn === null ? null : parseLsn(row.lsn),
    xid: row.xid,
    relationIds: row.relation_ids === null ? null : (JSON.parse(row.relation_ids) as number[]),
  };
}

/** Unblocks the node. */
export async function unblockNode(store: StoreTransaction, nodeId: string): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes SET status = 'active', status_reason = NULL WHERE node_id = $1::text`,
    [nodeId],
  );
}
