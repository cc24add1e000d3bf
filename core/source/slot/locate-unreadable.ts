/**
 * Where the transaction stands that the source itself cannot print: the text of a row takes a gigabyte, and the slot function
 * fails with it before it gives anything. Found by asking for less, and only for how many rows there would be.
 */
import type { Queryable } from '../../pg/connection.ts';
import { sqlState } from '../../pg/database-error.ts';
import { rollBack } from '../../pg/transaction.ts';
import { type Lsn, maxLsn, parseLsn } from '../../types/lsn.ts';
import { type PeekOptions, peekStatement } from './peek.ts';

export interface Unreadable {
  /** A position that passes this transaction, and nothing else: its commit LSN, or a position inside its commit record. */
  readonly lsn: Lsn;
  /** null: not known. */
  readonly xid: string | null;
}

export interface LocateOptions extends PeekOptions {
  /** Where the slot stands. */
  readonly from: Lsn;
}

/** SQLSTATEs of a row that is too large to be printed: program_limit_exceeded, internal_error (palloc), out_of_memory. */
const TOO_LARGE_STATES = new Set(['54000', 'XX000', '53200']);

/** Whether a query of the source ended like one that was to print too large a row. */
export function isTooLargeToPrint(state: unknown): boolean {
  return typeof state === 'string' && TOO_LARGE_STATES.has(state);
}

/**
 * The first transaction behind the slot, when the server fails to print it.
 * @returns null when it can be read
 */
export async function locateUnreadable(
  source: Queryable,
  options: LocateOptions,
): Promise<Unreadable | null> {
  const failure = await probe(source, options);
  if (failure === null) return null;
  return options.plugin === 'wal2json' ? firstCommit(source, options) : bisect(source, options, failure);
}

/** Changes of the catalog are decoded by no plugin. */
const NO_TABLE = { schema: 'pg_catalog', name: 'pg_class' };

/** Of tables that do not change, wal2json prints where transactions begin and end, and nothing in between. */
async function firstCommit(source: Queryable, options: PeekOptions): Promise<Unreadable | null> {
  const { text, values } = peekStatement({ ...options, tables: [NO_TABLE], maxRows: 1 });
  const { rows } = await source.query<{ lsn: string; xid: string }>(text, values);
  const commit = rows[0];
  return commit === undefined ? null : { lsn: parseLsn(commit.lsn), xid: commit.xid };
}

/** WAL records begin at multiples of this (MAXALIGN). */
const ALIGNMENT = 8n;
const FIRST_STEP = 256n;
/** Headers of a WAL page, and of the first one of a segment (SizeOfXLogShortPHD, SizeOfXLogLongPHD). */
const PAGE_HEADER = 24n;
const SEGMENT_HEADER = 40n;

/**
 * A peek reads records until one ends at or behind `upto`. So it fails from just behind the end of the record before the commit,
 * and the commit record begins there: positions inside of it pass the transaction (SnapBuildXactNeedsSkip compares the
 * beginnings of commit records).
 */
async function bisect(source: Queryable, options: LocateOptions, failure: Failure): Promise<Unreadable> {
  const fails = async (place: bigint): Promise<boolean> =>
    (await probe(source, { ...options, upto: (place * ALIGNMENT + 1n) as Lsn })) !== null;
  const from = maxLsn(
    options.from,
    failure.near !== null && failure.near < options.upto ? failure.near : options.from,
  );
  let works = from / ALIGNMENT - 1n;
  let beyond = (options.upto - 1n) / ALIGNMENT;
  for (let step = FIRST_STEP; from + step < options.upto; step *= 4n) {
    const place = (from + step) / ALIGNMENT;
    if (await fails(place)) {
      beyond = place;
      break;
    }
    works = place;
  }
  while (beyond - works > 1n) {
    const middle = (works + beyond) / 2n;
    if (await fails(middle)) beyond = middle;
    else works = middle;
  }
  const sizes = await readWalSizes(source);
  const before = beyond * ALIGNMENT; // where the record before it ends
  const header =
    before % sizes.segment === 0n ? SEGMENT_HEADER : before % sizes.page === 0n ? PAGE_HEADER : 0n;
  return { lsn: (before + header + ALIGNMENT) as Lsn, xid: null };
}

interface Failure {
  /** A position of the transaction that the server named, if it did. */
  readonly near: Lsn | null;
}

/** Reads the first transaction behind the slot for nothing. @returns how it failed; null when it did not */
async function probe(source: Queryable, options: PeekOptions): Promise<Failure | null> {
  const { text, values } = peekStatement({ ...options, maxRows: 1 });
  await source.query('BEGIN');
  try {
    await source.query(`SELECT count(*) FROM (${text} OFFSET 0) AS peek`, values);
    return null;
  } catch (error) {
    if (!isTooLargeToPrint(sqlState(error))) throw error;
    const named = /([0-9A-F]+\/[0-9A-F]+)[^0-9A-F/]*$/.exec(
      String((error as { where?: string }).where ?? ''),
    ); // in any language
    return { near: named === null ? null : parseLsn(named[1]!) };
  } finally {
    await rollBack(source);
  }
}

async function readWalSizes(source: Queryable): Promise<{ readonly page: bigint; readonly segment: bigint }> {
  const { rows } = await source.query<{ page: string; segment: string }>(
    `SELECT current_setting('wal_block_size') AS page, pg_size_bytes(current_setting('wal_segment_size'))::text AS segment`,
  );
  return { page: BigInt(rows[0]!.page), segment: BigInt(rows[0]!.segment) };
}
