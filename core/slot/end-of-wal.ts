/**
 * Where a run ends. The order of the reads is the promise: clock first, then the position up to which WAL was inserted,
 * so that every commit seen by anyone before `now` lies at or before `upto`; then that WAL is flushed, because the slot
 * decodes only flushed WAL (with synchronous_commit=off, commits are visible before they are flushed).
 */

import type { Queryable } from '../pg/connection.ts';
import { type CommitTime, parseCommitTime } from '../types/commit-time.ts';
import { type Lsn, parseLsn } from '../types/lsn.ts';

export interface EndOfWal {
  readonly now: CommitTime;
  readonly upto: Lsn;
  /** false when `upto` had to be cut to the flushed position: then `now` says nothing about completeness. */
  readonly complete: boolean;
}

const WAIT_STEPS_MS = [5, 20, 50, 100, 200, 400, 800];

/** Reads the end of WAL and sees to it that it can be decoded. */
export async function readEndOfWal(source: Queryable): Promise<EndOfWal> {
  const { rows } = await source.query<{ now: string; upto: string }>(
    // one row of two values, evaluated in this order: the clock must not be read after the position
    `SELECT c.now, pg_current_wal_insert_lsn() AS upto
       FROM (SELECT clock_timestamp() AS now OFFSET 0) AS c`,
  );
  const now = parseCommitTime(rows[0]!.now);
  const upto = parseLsn(rows[0]!.upto);
  let flushed = await readFlushLsn(source);
  if (flushed < upto) {
    await commitFlushMessage(source);
    flushed = await readFlushLsn(source);
  }
  for (const waitMs of WAIT_STEPS_MS) {
    if (flushed >= upto) break;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    flushed = await readFlushLsn(source);
  }
  return flushed >= upto ? { now, upto, complete: true } : { now, upto: flushed, complete: false };
}

/** The position up to which WAL has been inserted: beyond every commit that anyone has seen. */
export async function readInsertLsn(source: Queryable): Promise<Lsn> {
  const { rows } = await source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn');
  return parseLsn(rows[0]!.lsn);
}

/** The source's clock. */
export async function readClock(source: Queryable): Promise<CommitTime> {
  const { rows } = await source.query<{ now: string }>('SELECT clock_timestamp() AS now');
  return parseCommitTime(rows[0]!.now);
}

async function readFlushLsn(source: Queryable): Promise<Lsn> {
  const { rows } = await source.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn() AS lsn');
  return parseLsn(rows[0]!.lsn);
}

/**
 * A synchronous commit flushes everything before it; `local` waits for this server's disk, and not for standbys, of which
 * one that is away would be waited for without end. Refused to read-only roles: then the wait has to
 * do.
 */
async function commitFlushMessage(source: Queryable): Promise<void> {
  try {
    await source.query('BEGIN READ WRITE; SET LOCAL synchronous_commit = local');
    await source.query(`SELECT pg_logical_emit_message(true, 'pgtimewarp.flush', '')`);
    await source.query('COMMIT');
  } catch {
    await source.query('ROLLBACK').catch(() => {});
  }
}
