/**
 * Writes the changes of a batch of transactions inside the caller's store transaction: row versions, truncates,
 * contexts and the LSN-to-time map. Insert-only. Rows go in sorted by key, which keeps index pages together.
 */
import type pg from 'pg';
import { type CommitTime, formatCommitTime } from '../types/commit-time.ts';
import { formatLsn, type Lsn } from '../types/lsn.ts';
import type { PendingChange, TransactionPart } from '../types/stored.ts';
import { COPY_NULL, copyInto, copyText, copyTextArray } from './copy.ts';

/** Position and time of a commit, with the texts that every row of it repeats. */
export interface CommitStamp {
  readonly lsn: Lsn;
  readonly time: CommitTime;
  /** As the source wrote it. */
  readonly commitTimestamp: CommitTime;
  readonly xid: string;
  /** COPY text of lsn, time, xid and the (null) read position, with tabs. */
  readonly copyPrefix: string;
}

/** A change with the commit it became visible by. */
interface StampedChange {
  readonly stamp: CommitStamp;
  readonly change: PendingChange;
}

export interface CommittedPart {
  readonly stamp: CommitStamp;
  readonly part: TransactionPart;
}

const CHANGE_COLUMNS =
  'pgtimewarp.row_changes (valid_from_lsn, valid_from_ts, xid, read_lsn, relation_id, seq, leaf_id, op, pk, row_data, incomplete, json_nulls)';
const MAP_COLUMNS = 'pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts, commit_ts, xid)';
const CHUNK_LENGTH = 256 * 1024;

export function commitStamp(
  lsn: Lsn,
  time: CommitTime,
  commitTimestamp: CommitTime,
  xid: string,
): CommitStamp {
  const copyPrefix = `${formatLsn(lsn)}\t${formatCommitTime(time)}\t${xid}\t${COPY_NULL}\t`;
  return { lsn, time, commitTimestamp, xid, copyPrefix };
}

/** Writes the row versions of all parts. Holes left by unchanged TOAST must be filled before. */
export async function writeChanges(store: pg.Client, parts: readonly CommittedPart[]): Promise<void> {
  const rows: StampedChange[] = [];
  for (const { stamp, part } of parts) {
    for (const change of part.changes) rows.push({ stamp, change });
  }
  if (rows.length === 0) return;
  rows.sort(byRelationAndKey);
  await copyInto(store, CHANGE_COLUMNS, changeLines(rows));
}

/** Writes truncates and contexts, which are few. */
export async function writeEvents(
  store: pg.Client,
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
  const contexts = parts.filter(({ part }) => part.context !== null);
  if (contexts.length > 0) {
    await store.query(
      `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn_space, lsn, context)
       SELECT $1::text, $2::int, lsn, context::json FROM unnest($3::pg_lsn[], $4::text[]) AS c (lsn, context)`,
      [
        node.nodeId,
        node.lsnSpace,
        contexts.map(({ stamp }) => formatLsn(stamp.lsn)),
        contexts.map(({ part }) => part.context),
      ],
    );
  }
}

/** Adds one entry per commit to the map. */
export async function writeTimeMap(
  store: pg.Client,
  node: { readonly nodeId: string; readonly lsnSpace: number },
  stamps: readonly CommitStamp[],
): Promise<void> {
  if (stamps.length === 0) return;
  await copyInto(store, MAP_COLUMNS, mapLines(node.nodeId, node.lsnSpace, stamps));
}

function byRelationAndKey(a: StampedChange, b: StampedChange): number {
  if (a.change.relationId !== b.change.relationId) return a.change.relationId - b.change.relationId;
  return a.change.key < b.change.key ? -1 : a.change.key > b.change.key ? 1 : 0;
}

function* changeLines(rows: readonly StampedChange[]): Generator<string> {
  let chunk = '';
  for (const { stamp, change } of rows) {
    const leaf = change.leafId === null ? COPY_NULL : change.leafId;
    const row = copyText(change.rowData);
    chunk += `${stamp.copyPrefix}${change.relationId}\t${change.seq}\t${leaf}\t${change.op}\t${copyText(change.key)}\t${row}`;
    chunk +=
      change.incomplete === null && change.jsonNulls === null
        ? '\t\\N\t\\N\n'
        : `\t${copyTextArray(change.incomplete)}\t${copyTextArray(change.jsonNulls)}\n`;
    if (chunk.length > CHUNK_LENGTH) {
      yield chunk;
      chunk = '';
    }
  }
  if (chunk !== '') yield chunk;
}

function* mapLines(nodeId: string, lsnSpace: number, stamps: readonly CommitStamp[]): Generator<string> {
  let chunk = '';
  for (const stamp of stamps) {
    const lsn = formatLsn(stamp.lsn);
    chunk += `${nodeId}\t${lsnSpace}\t${lsn}\t${formatCommitTime(stamp.time)}\t${formatCommitTime(stamp.commitTimestamp)}\t${stamp.xid}\n`;
    if (chunk.length > CHUNK_LENGTH) {
      yield chunk;
      chunk = '';
    }
  }
  if (chunk !== '') yield chunk;
}
