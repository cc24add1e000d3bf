/** Writes baseline rows (op S). Their position is L0, where the history of the table begins. */

import type { StoreTransaction } from '../../pg/transaction.ts';
import { type CommitTime, postgresMicros } from '../../types/commit-time.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { BaselineRow } from '../../types/stored.ts';
import { CopyEncoder, copyInto } from './copy.ts';

const TARGET =
  'pgtimewarp.row_changes (valid_from_lsn, valid_from_ts, read_lsn, relation_id, seq, leaf_id, op, pk, row_data, json_nulls)';

export interface BaselineTarget {
  readonly relationId: number;
  /** L0 and its time. */
  readonly lsn: Lsn;
  readonly time: CommitTime;
  /** From the OID of a partition to its id; empty for a plain table. */
  readonly leafIds: ReadonlyMap<number, number>;
}

// biome-ignore lint/complexity/useMaxParams: the read position belongs to the rows, not to the target
export async function writeBaselineRows(
  store: StoreTransaction,
  target: BaselineTarget,
  rows: readonly BaselineRow[],
  readPosition: Lsn,
): Promise<void> {
  if (rows.length > 0) await copyInto(store, TARGET, encode(target, rows, readPosition));
}

function* encode(target: BaselineTarget, rows: readonly BaselineRow[], readPosition: Lsn): Generator<Buffer> {
  const encoder = new CopyEncoder();
  const time = postgresMicros(target.time);
  for (const row of rows) {
    const leaf = target.leafIds.get(row.leafRelid);
    encoder.row(10);
    encoder.int8(target.lsn);
    encoder.int8(time);
    encoder.int8(readPosition);
    encoder.int4(target.relationId);
    encoder.int4(0);
    if (leaf === undefined) encoder.null();
    else encoder.int4(leaf);
    encoder.char('S');
    encoder.text(row.key);
    encoder.text(row.rowData);
    if (row.jsonNulls === null) encoder.null();
    else encoder.textArray(row.jsonNulls);
    yield* encoder.take();
  }
  yield* encoder.take(true);
}
