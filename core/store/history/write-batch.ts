/** Writes a batch of transactions: row versions, truncates, contexts and the LSN-to-time map. It only inserts. */

import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import type { TransactionPart } from '../../types/stored.ts';
import { CHANGE_TARGET, type ChangeRows } from './change-rows.ts';
import type { CommitStamp } from './commit-stamp.ts';
import { contextHashes } from './context-hashes.ts';
import { copyInto } from './copy.ts';
import { MAP_TARGET, type MapRows } from './map-rows.ts';

export interface CommittedPart {
  readonly stamp: CommitStamp;
  readonly part: TransactionPart;
}

/** Writes row versions. */
export async function writeChanges(store: StoreTransaction, rows: ChangeRows): Promise<void> {
  if (rows.count > 0) await copyInto(store, CHANGE_TARGET, rows.chunks());
}

/** Writes truncates and contexts, which are rare. */
export async function writeEvents(
  store: StoreTransaction,
  node: { readonly nodeId: string; readonly lsnSpace: number },
  parts: readonly CommittedPart[],
): Promise<void> {
  const truncates = parts.flatMap(({ stamp, part }) =>
    part.truncates.map((truncate) => ({ stamp, truncate })),
  );
  if (truncates.length > 0) {
    await store.query(
      `INSERT INTO pgtimewarp.relation_events (relation_id, lsn, seq, leaf_id, ts, op, xid)
       SELECT relation_id, lsn, seq, leaf_id, ts, 'T', xid
         FROM unnest($1::int[], $2::pg_lsn[], $3::int[], $4::int[], $5::timestamptz[], $6::bigint[])
              AS e (relation_id, lsn, seq, leaf_id, ts, xid)`,
      [
        truncates.map(({ truncate }) => truncate.relationId),
        truncates.map(({ stamp }) => formatLsn(stamp.lsn)),
        truncates.map(({ truncate }) => truncate.seq),
        truncates.map(({ truncate }) => truncate.leafId),
        truncates.map(({ stamp }) => formatCommitTime(stamp.time)),
        truncates.map(({ stamp }) => stamp.xid),
      ],
    );
  }
  await writeContexts(store, node, parts);
}

/** There may be one for each of many small transactions. */
async function writeContexts(
  store: StoreTransaction,
  node: { readonly nodeId: string; readonly lsnSpace: number },
  parts: readonly CommittedPart[],
): Promise<void> {
  const lsns: string[] = [];
  const seqs: number[] = [];
  const texts: string[] = [];
  const relationIds: string[] = [];
  const hashes: string[] = [];
  for (const { stamp, part } of parts) {
    for (const context of part.contexts) {
      lsns.push(formatLsn(stamp.lsn));
      seqs.push(context.seq);
      texts.push(context.text);
      relationIds.push(`{${[...context.relationIds].join(',')}}`);
      hashes.push(`{${contextHashes(context.text).join(',')}}`);
    }
  }
  if (lsns.length === 0) return;
  await store.query(
    `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn_space, lsn, seq, context, relation_ids, value_hashes)
     SELECT $1::text, $2::int, lsn, seq, context::json, relation_ids::int[], value_hashes::int[]
       FROM unnest($3::pg_lsn[], $4::int[], $5::text[], $6::text[], $7::text[])
              AS c (lsn, seq, context, relation_ids, value_hashes)`,
    [node.nodeId, node.lsnSpace, lsns, `{${seqs.join(',')}}`, texts, relationIds, hashes],
  );
}

/** Adds entries of commits to the map. */
export async function writeTimeMap(store: StoreTransaction, rows: MapRows): Promise<void> {
  if (rows.count > 0) await copyInto(store, MAP_TARGET, rows.chunks());
}
