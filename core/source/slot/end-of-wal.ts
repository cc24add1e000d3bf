/**
 * Reads the end of WAL, up to which a run reads. The order of the reads matters: the clock first, then the position up to which WAL was
 * inserted. So every commit that was visible before `now` is at or before `upto`. Then readEndOfWal() makes the server flush that WAL,
 * because the slot decodes only flushed WAL (with synchronous_commit=off, commits are visible before they are flushed).
 *
 * Amazon Aurora has no flush position: its storage writes the log, and the server does not tell how far decoding can read. There the
 * function commits a message after `now`. When the stream has delivered that message, it is at the end of WAL: it delivers in the order
 * of the log, so it has delivered every earlier commit.
 */
import { randomUUID } from 'node:crypto';
import type { Queryable } from '../../pg/connection.ts';
import { type CommitTime, parseCommitTime } from '../../types/commit-time.ts';
import { type Lsn, parseLsn } from '../../types/lsn.ts';
import { END_PREFIX } from '../../types/plugin.ts';

export interface EndOfWal {
  readonly now: CommitTime;
  readonly upto: Lsn;
  /** false if `upto` is only the flushed position: the store is then not complete up to `now`. */
  readonly complete: boolean;
  /** The message that ends the stream; null if the flushed position tells the end. */
  readonly mark: EndMark | null;
}

export interface EndMark {
  readonly id: string;
  /** The position before the message was written: its commit lies between this and `upto`. */
  readonly after: Lsn;
}

/** The prefix of messages that only cause a flush. */
const FLUSH_PREFIX = 'pgtimewarp.flush';

/**
 * The current snapshot: which transactions have ended. If two readings are equal, no writing transaction ended in between, so the catalog
 * is unchanged (PostgreSQL manual, "Transaction ID and Snapshot Information Functions").
 */
export async function readSnapshot(source: Queryable): Promise<string> {
  const { rows } = await source.query<{ snapshot: string }>(
    'SELECT txid_current_snapshot()::text AS snapshot',
  );
  return rows[0]!.snapshot;
}

const WAIT_STEPS_MS = [5, 20, 50, 100, 200, 400, 800];

/** Reads the end of WAL and makes sure that it can be decoded. */
export async function readEndOfWal(source: Queryable): Promise<EndOfWal> {
  const read = await readClockAndPosition(source);
  const { now } = read;
  let { upto } = read;
  let mark: EndMark | null = null;
  if (read.isAurora) {
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

/** How long the two reads may be apart: as much as concurrent commits are out of order anyway. */
const APART_MICROS = 1_000n;
const TRIES = 5;

interface ClockAndPosition {
  readonly now: CommitTime;
  readonly upto: Lsn;
  readonly isAurora: boolean;
}

/**
 * A commit between the two reads is at or before `upto`, but later than `now`. If another node has it, it gets a time up to `now`, which is too
 * early. So the two belong to one moment: on a busy server, which may stop the session between them, they are read again.
 */
async function readClockAndPosition(source: Queryable): Promise<ClockAndPosition> {
  let best: (ClockAndPosition & { readonly apart: bigint }) | null = null;
  for (let tries = 0; tries < TRIES && (best === null || best.apart > APART_MICROS); tries++) {
    const { rows } = await source.query<{ now: string; upto: string; after: string; is_aurora: boolean }>(
      // the values of the row are evaluated in this order: the clock must be read before the position
      `SELECT c.now, pg_current_wal_insert_lsn() AS upto, clock_timestamp() AS after,
              to_regproc('pg_catalog.aurora_version') IS NOT NULL AS is_aurora
         FROM (SELECT clock_timestamp() AS now OFFSET 0) AS c`,
    );
    const row = rows[0]!;
    const now = parseCommitTime(row.now);
    const passed = parseCommitTime(row.after) - now;
    const apart = passed < 0n ? -passed : passed; // the clock may have been set back
    if (best === null || apart < best.apart)
      best = { now, upto: parseLsn(row.upto), isAurora: row.is_aurora, apart };
  }
  return best!;
}

/** The position up to which WAL has been inserted: every visible commit is before it. */
export async function readInsertLsn(source: Queryable): Promise<Lsn> {
  const { rows } = await source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn');
  return parseLsn(rows[0]!.lsn);
}

/** The clock of the source. */
export async function readClock(source: Queryable): Promise<CommitTime> {
  const { rows } = await source.query<{ now: string }>('SELECT clock_timestamp() AS now');
  return parseCommitTime(rows[0]!.now);
}

async function readFlushLsn(source: Queryable): Promise<Lsn> {
  const { rows } = await source.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn() AS lsn');
  return parseLsn(rows[0]!.lsn);
}

/**
 * A synchronous commit flushes all WAL before it. `local` waits only for the disk of this server: a missing standby would make it wait
 * without end. The server refuses this to read-only roles; the caller then only waits. The returned position is not used: on Aurora it
 * does not compare with other positions (B0234/… instead of 0/47…).
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
