/**
 * What questions about many rows have in common: the frame of an answer, the filter, and a cursor that says where a page ended.
 * A page is bounded in rows and in bytes, so that a caller that asks page by page needs little memory.
 */
import { hash } from 'node:crypto';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { TableName } from '../pg/identifiers.ts';
import { tryParseCommitTime } from '../types/commit-time.ts';
import { tryParseLsn } from '../types/lsn.ts';
import { type Instant, instantParameters, parseInstant } from './instant.ts';

/** The most bytes that rows and contexts of a page hold together. The row that exceeds this limit still belongs to the page. */
export const PAGE_BYTES = 4 * 1024 * 1024;

/** Of an answer about an interval: where it begins and ends, and what is known there. */
export interface HistoryFrame {
  /** As requested. Default: the time of the start of tracking, and of the horizon. */
  readonly from: string | null;
  readonly to: string | null;
  readonly horizon: { readonly lsn: string; readonly ts: string } | null;
  readonly final: boolean;
  /** JSON text `[{from, to, reason}]`: where changes may be missing. If the answer is about several tables, each member has `tables`. */
  readonly unknownText: string;
}

/** Column to value, compared as the source's type compares; null: NULL. */
export type ColumnValues = Readonly<Record<string, string | null>>;

/** The conditions that a change must meet. A member that is left out is no condition. */
export interface ChangeFilter {
  /** The row before or after has all of them. */
  readonly where?: ColumnValues;
  /** An update that changed one of these columns. */
  readonly changed?: readonly string[];
  /** Key (or path with dots) to value in the context of the transaction. */
  readonly by?: Readonly<Record<string, string>>;
  readonly op?: readonly string[];
}

/** The question's interval as the first parameters of the functions: `node, schema, table, from_ts, from_lsn, to_ts, to_lsn`. */
export function intervalParameters(request: {
  readonly node: string;
  readonly table: TableName | null;
  readonly from: Instant | null;
  readonly to: Instant | null;
}): (string | null)[] {
  const [fromTs, fromLsn] = bound(request.from);
  const [toTs, toLsn] = bound(request.to);
  return [
    request.node,
    request.table?.schema ?? null,
    request.table?.name ?? null,
    fromTs,
    fromLsn,
    toTs,
    toLsn,
  ];
}

const INSTANT_FORMAT = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;
/** A column as RFC 3339 in UTC. */
export const instantText = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', ${INSTANT_FORMAT})`;

/** The frame `f` of a statement. */
export const FRAME_COLUMNS = `
  ${instantText('f.from_ts')} AS from_ts, ${instantText('f.to_ts')} AS to_ts, f.horizon_lsn::text,
  ${instantText('f.horizon_ts')} AS horizon_ts, f.unknown::text, f.final::text`;

export interface FrameRow {
  readonly from_ts: string | null;
  readonly to_ts: string | null;
  readonly horizon_lsn: string | null;
  readonly horizon_ts: string | null;
  readonly unknown: string;
  readonly final: string;
}

/** The frame with its ends as they were requested. */
export function toFrame(row: FrameRow, from: Instant | null, to: Instant | null): HistoryFrame {
  return {
    from: bound(from)[2] ?? row.from_ts,
    to: bound(to)[2] ?? row.to_ts,
    horizon:
      row.horizon_lsn === null || row.horizon_ts === null
        ? null
        : { lsn: row.horizon_lsn, ts: row.horizon_ts },
    final: row.final === 'true',
    unknownText: row.unknown,
  };
}

/**
 * The rows of a page, of which the store gave one more than the limit, or fewer where it stopped for their bytes.
 * @param textsOf what the store counts of a row
 */
export function cutPage<R>(
  found: readonly R[],
  limit: number,
  textsOf: (row: R) => readonly (string | null)[],
): { readonly page: readonly R[]; readonly isCut: boolean } {
  let bytes = 0;
  for (const row of found) for (const text of textsOf(row)) bytes += Buffer.byteLength(text ?? '');
  return { page: found.slice(0, limit), isCut: found.length > limit || bytes > PAGE_BYTES };
}

/** Where a page ended: opaque to callers, valid while history grows. */
export type HistoryCursor = string & { readonly __brand: 'HistoryCursor' };

/** Where a page begins. */
export interface Continuation {
  /** The place of the last row that was received, in the order of the function's parameters; all null without a cursor. */
  readonly after: readonly (string | null)[];
  readonly from: Instant | null;
  /** Where the interval ends. */
  readonly to: Instant | null;
  /** What every cursor of this answer begins with: the question, its interval as asked, and where the first page ended (or nothing). */
  readonly head: readonly [question: string, from: string, to: string, until: string];
}

interface AskedPage {
  readonly from: Instant | null;
  readonly to: Instant | null;
  readonly cursor?: string | null | undefined;
}

/**
 * What a cursor of these kinds says. Every page of an answer has the interval of the first one, and ends at the horizon of that one:
 * otherwise the places before the cursor would be as of one moment, and those after it as of another. An end of the interval that
 * is not named, or is now, is that of the cursor. Throws BAD_FLAGS for a cursor that no page gave, or a page of another question.
 * @param question what is asked beside the interval
 */
export function continuation(
  { from, to, cursor }: AskedPage,
  kinds: readonly PartKind[],
  question: readonly unknown[],
): Continuation {
  const fingerprint = hash('sha256', JSON.stringify(question, sortedMembers), 'base64url').slice(0, 16);
  if (cursor === null || cursor === undefined) {
    const after = kinds.map(() => null);
    return { after, from, to, head: [fingerprint, requestedText(from), requestedText(to), ''] };
  }
  const parts = historyCursorParts(cursor, ['key', 'instant', 'instant', 'until', ...kinds]) as string[];
  const [asked, fromText, toText, until] = parts.slice(0, 4) as [string, string, string, string];
  if (asked !== fingerprint || isAnother(from, fromText) || isAnother(to, toText)) throw otherQuestion();
  return {
    after: parts.slice(4),
    from: instantOf(fromText),
    to: instantOf(until) ?? instantOf(toText),
    head: [asked, fromText, toText, until],
  };
}

export function otherQuestion(): TimewarpError {
  return new TimewarpError('BAD_FLAGS', 'The cursor is of a page of another question.', {
    remedy:
      'Repeat the question that gave the cursor, with the same filters; its instants may be left out. Or start without a cursor.',
  });
}

/** The cursor of the page after this place. */
export function nextCursor(
  { to, head }: Continuation,
  horizon: HistoryFrame['horizon'],
  place: readonly (string | null)[],
): HistoryCursor {
  const [question, fromText, toText, until] = head;
  const isOpen = until === '' && horizon !== null && isBeyond(to, horizon);
  return formatHistoryCursor([question, fromText, toText, isOpen ? horizon.ts : until, ...place]);
}

/** Whether an end of the interval is named and is not that of the cursor. */
function isAnother(end: Instant | null, text: string): boolean {
  if (end === null || end.kind === 'now') return false;
  const known = instantOf(text);
  if (known === null || known.kind !== end.kind) return true;
  const positionOf = (each: Instant): bigint | null =>
    each.kind === 'time' ? each.time : each.kind === 'lsn' ? each.lsn : null;
  return positionOf(known) !== positionOf(end);
}

function instantOf(text: string): Instant | null {
  return text === '' ? null : parseInstant(text);
}

function requestedText(instant: Instant | null): string {
  return bound(instant)[2] ?? '';
}

/** For JSON.stringify: the members of objects in one order. */
function sortedMembers(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whether later runs can add to what is before the instant. */
function isBeyond(to: Instant | null, horizon: NonNullable<HistoryFrame['horizon']>): boolean {
  if (to === null || to.kind === 'now') return true;
  if (to.kind === 'lsn') return to.lsn > (tryParseLsn(horizon.lsn) ?? to.lsn);
  return to.time > (tryParseCommitTime(horizon.ts) ?? to.time);
}

/** The values after which the next page begins. */
export function formatHistoryCursor(parts: readonly (string | null)[]): HistoryCursor {
  return Buffer.from(JSON.stringify(parts)).toString('base64url') as HistoryCursor;
}

const POSITION = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const GREATEST_INTEGER = 2_147_483_647n;
const isInstant = (part: string): boolean => INSTANT.test(part) && tryParseCommitTime(part) !== null;
const isRequested = (part: string): boolean => {
  try {
    return part === '' || parseInstant(part) !== null;
  } catch {
    return false;
  }
};
const PARTS = {
  number: (part: string): boolean => /^\d{1,10}$/.test(part) && BigInt(part) <= GREATEST_INTEGER,
  lsn: (part: string): boolean => POSITION.test(part),
  time: isInstant,
  /** As somebody asked for it; empty: nobody did. */
  instant: isRequested,
  until: (part: string): boolean => part === '' || isInstant(part),
  shape: (part: string): boolean => part === 'instant' || part === 'interval',
  key: (part: string): boolean => !part.includes('\0'),
} as const;
type PartKind = keyof typeof PARTS;

/** The values of a cursor of these kinds; all null without a cursor. Throws BAD_FLAGS if no page returned this cursor. */
export function historyCursorParts(
  cursor: string | null | undefined,
  kinds: readonly PartKind[],
): (string | null)[] {
  if (cursor === null || cursor === undefined) return kinds.map(() => null);
  const parts = parsedParts(cursor);
  if (
    parts?.length !== kinds.length ||
    !parts.every((part, index) => typeof part === 'string' && PARTS[kinds[index]!](part))
  )
    throw new TimewarpError('BAD_FLAGS', 'Not a cursor of an earlier page.', {
      remedy: 'Start without a cursor.',
    });
  return parts as string[];
}

function parsedParts(cursor: string): unknown[] | null {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(parts) ? parts : null;
  } catch {
    return null;
  }
}

function bound(instant: Instant | null): [string | null, string | null, string | null] {
  return instant === null ? [null, null, null] : instantParameters(instant);
}
