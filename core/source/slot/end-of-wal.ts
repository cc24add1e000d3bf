/**
 * Where a run ends. The order of the reads is the promise: clock first, then the position up to which WAL was inserted,
 * so that every commit seen by anyone before `now` lies at or before `upto`; then that WAL is flushed, because the slot
 * decodes only flushed WAL (with synchronous_commit=off, commits are visible before they are flushed).
 *
 * Amazon Aurora has no flush of its own: its log is written by the storage, and what decoding has come to is not told. There
 * a message is committed after `now`, and the stream is at the end of WAL when it has delivered that one: it delivers in the
 * order of the log, so nothing that was committed before can come any more.
 */
import { randomUUID } from 'node:crypto';
import type { Queryable } from '../../pg/connection.ts';
import { type CommitTime, parseCommitTime } from '../../types/commit-time.ts';
import { type Lsn, parseLsn } from '../../types/lsn.ts';
import { END_PREFIX } from '../../types/plugin.ts';

export interface EndOfWal {
  readonly now: CommitTime;
  readonly upto: Lsn;
  /** false when `upto` had to be cut to the flushed position: then `now` says nothing about completeness. */
  readonly complete: boolean;
  /** The message that the stream has to deliver before it is at the end; null where the flushed position says it. */
  readonly mark: EndMark | null;
}

export interface EndMark {
  readonly id: string;
  /** Where the log stood before it was written: its commit lies between this and `upto`. */
  readonly after: Lsn;
}

/** Of messages that are only there to be flushed. */
const FLUSH_PREFIX = 'pgtimewarp.flush';

/**
 * Which transactions have ended, for statements that begin now. Where two readings are the same, none that writes has ended in
 * between, so that the catalog reads the same (PostgreSQL manual, "Transaction ID and Snapshot Information Functions").
 */
export async function readSnapshot(source: Queryable): Promise<string> {
  const { rows } = await source.query<{ snapshot: string }>(
    'SELECT txid_current_snapshot()::text AS snapshot',
  );
  return rows[0]!.snapshot;
}

const WAIT_STEPS_MS = [5, 20, 50, 100, 200, 400, 800];

/** Reads the end of WAL and sees to it that it can be decoded. */
export async function readEndOfWal(source: Queryable): Promise<EndOfWal> {
  const { rows } = await source.query<{ now: string; upto: string; is_aurora: boolean }>(
    // one row of two values, evaluated in this order: the clock must not be read after the position
    `SELECT c.now, pg_current_wal_insert_lsn() AS upto, to_regproc('pg_catalog.aurora_version') IS NOT NULL AS is_aurora
       FROM (SELECT clock_timestamp() AS now OFFSET 0) AS c`,
  );
  const now = parseCommitTime(rows[0]!.now);
  let upto = parseLsn(rows[0]!.upto);
  let mark: EndMark | null = null;
  if (rows[0]!.is_aurora) {
    mark = { id: randomUUID(), after: upto };
    await commitMessage(source, END_PREFIX, mark.id);
    upto = await readInsertLsn(source);
  }
  let flushed = await readFlushLsn(source);
  if (flushed < upto) {
    await commitMessage(source, FLUSH_PREFIX, '');
    flushed = await readFlushLsn(source);
  }
  for (const waitMs of WAIT_STEPS_MS) {
    if (flushed >= upto) break;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    flushed = await readFlushLsn(source);
  }
  return flushed >= upto
    ? { now, upto, complete: true, mark }
    : { now, upto: flushed, complete: false, mark };
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
 * do. What the function returns is not read: on Aurora it is a position of another count (B0234/… beside 0/47…).
 */
async function commitMessage(source: Queryable, prefix: string, content: string): Promise<void> {
  try {
    await source.query('BEGIN READ WRITE; SET LOCAL synchronous_commit = local');
    await source.query('SELECT FROM pg_logical_emit_message(true, $1::text, $2::text)', [prefix, content]);
    await source.query('COMMIT');
  } catch {
    await source.query('ROLLBACK').catch(() => {});
  }
}
