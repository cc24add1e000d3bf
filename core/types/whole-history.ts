/** Where the history of a relation is whole: from the start of tracking, or the end of its last gap, to the start of an open gap. */
import type { Lsn } from './lsn.ts';

/** Changes in (from, upto] are stored, all of them. */
export interface WholeHistory {
  readonly from: Lsn;
  /** null: up to the horizon. */
  readonly upto: Lsn | null;
}

export function isWholeAt(whole: WholeHistory | undefined, lsn: Lsn): boolean {
  return whole !== undefined && lsn > whole.from && (whole.upto === null || lsn <= whole.upto);
}
