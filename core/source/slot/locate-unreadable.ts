/**
 * Locates a transaction that the source itself cannot print: the text of one row takes a gigabyte, or has a character that UTF-8 lacks,
 * or an output function fails. The functions here peek up to earlier positions and only count rows.
 */
import type { Queryable } from '../../pg/connection.ts';
import { isDataRefused } from '../../pg/data-refused.ts';
import { sqlState } from '../../pg/database-error.ts';
import { rollBack } from '../../pg/transaction.ts';
import { type Lsn, maxLsn, parseLsn } from '../../types/lsn.ts';
import { type PeekOptions, peekStatement } from './peek.ts';

export interface Unreadable {
  /** A position that skips this transaction and no other: its commit LSN, or a position inside its commit record. */
  readonly lsn: Lsn;
  /** null: not known. */
  readonly xid: string | null;
}

export interface LocateOptions extends PeekOptions {
  /** The position of the slot. */
  readonly from: Lsn;
}

const OUT_OF_MEMORY = '53200';

/** Whether a query of the source may have failed because it could not print a row. */
export function isUnprintable(state: unknown): boolean {
  return state === OUT_OF_MEMORY || isDataRefused(state);
}

/**
 * Locates the first transaction after the slot if the server cannot print it.
 * @returns null if the server can print it
 */
export async function locateUnreadable(
  source: Queryable,
  options: LocateOptions,
): Promise<Unreadable | null> {
  const failure = await probe(source, options);
  if (failure === null) return null;
  return options.plugin === 'wal2json' ? firstCommit(source, options) : bisect(source, options, failure);
}

/** No plugin decodes changes of the catalog. */
const NO_TABLE = { schema: 'pg_catalog', name: 'pg_class' };

/** For a table without changes, wal2json prints only the begin and the commit of each transaction. */
async function firstCommit(source: Queryable, options: PeekOptions): Promise<Unreadable | null> {
  const { text, values } = peekStatement({ ...options, tables: [NO_TABLE], maxRows: 1 });
  const { rows } = await source.query<{ lsn: string; xid: string }>(
    `SELECT peek.lsn, peek.xid FROM (${text}) AS peek (lsn, xid, data) WHERE starts_with(peek.data, '{"action":"C"') LIMIT 1`,
    values,
  );
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
 * Finds the commit record by bisection. A peek reads records until one ends at or after `upto`. So it begins to fail just after the end of
 * the record before the commit, where the commit record begins. Positions inside the commit record skip the transaction
 * (SnapBuildXactNeedsSkip compares the beginnings of commit records).
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
  const before = beyond * ALIGNMENT; // where the previous record ends
  const header =
    before % sizes.segment === 0n ? SEGMENT_HEADER : before % sizes.page === 0n ? PAGE_HEADER : 0n;
  return { lsn: (before + header + ALIGNMENT) as Lsn, xid: null };
}

interface Failure {
  /** A position of the transaction that the server named, if it did. */
  readonly near: Lsn | null;
}

/** Peeks at the first transaction after the slot and discards it. @returns the failure; null if it succeeded */
async function probe(source: Queryable, options: PeekOptions): Promise<Failure | null> {
  const { text, values } = peekStatement({ ...options, maxRows: 1 });
  // wal2json prints in the encoding of the database. The server converts its rows when it sends them.
  const counted = options.plugin === 'wal2json' ? `convert_to(peek.data, 'UTF8')` : 'peek.data';
  await source.query('BEGIN');
  try {
    await source.query(`SELECT count(${counted}) FROM (${text} OFFSET 0) AS peek (lsn, xid, data)`, values);
    return null;
  } catch (error) {
    if (!isUnprintable(sqlState(error))) throw error;
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
