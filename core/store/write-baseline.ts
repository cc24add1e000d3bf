/** Writes baseline rows (op S) in the caller's transaction. They stand at L0, where the history of the table begins. */
import type pg from 'pg';
import { type CommitTime, formatCommitTime } from '../types/commit-time.ts';
import { formatLsn, type Lsn } from '../types/lsn.ts';
import type { BaselineRow } from '../types/stored.ts';
import { COPY_NULL, copyInto, copyText, copyTextArray } from './copy.ts';

const COLUMNS =
  'pgtimewarp.row_changes (valid_from_lsn, valid_from_ts, read_lsn, relation_id, seq, leaf_id, op, pk, row_data, json_nulls)';
const ROWS_PER_CHUNK = 500;

export interface BaselineTarget {
  readonly relationId: number;
  /** L0 and its time. */
  readonly lsn: Lsn;
  readonly time: CommitTime;
  /** From the OID of a partition to its id; empty for a plain table. */
  readonly leafIds: ReadonlyMap<number, number>;
}

export async function writeBaselineRows(
  store: pg.Client,
  target: BaselineTarget,
  rows: readonly BaselineRow[],
  readPosition: Lsn,
): Promise<void> {
  if (rows.length === 0) return;
  const prefix = `${formatLsn(target.lsn)}\t${formatCommitTime(target.time)}\t${formatLsn(readPosition)}\t${target.relationId}\t0\t`;
  await copyInto(store, COLUMNS, lines(prefix, target, rows));
}

function* lines(prefix: string, target: BaselineTarget, rows: readonly BaselineRow[]): Generator<string> {
  for (let from = 0; from < rows.length; from += ROWS_PER_CHUNK) {
    let chunk = '';
    for (const row of rows.slice(from, from + ROWS_PER_CHUNK)) {
      const leaf = target.leafIds.get(row.leafRelid) ?? COPY_NULL;
      chunk += `${prefix}${leaf}\tS\t${copyText(row.key)}\t${copyText(row.rowData)}\t${copyTextArray(row.jsonNulls)}\n`;
    }
    yield chunk;
  }
}
