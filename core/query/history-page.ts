/**
 * What questions about many rows have in common: the frame of an answer, the filter, and a cursor that says where a page ended.
 * A page is bounded in rows and in bytes, so that a caller that asks page by page needs little memory.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { TableName } from '../pg/identifiers.ts';
import { tryParseCommitTime } from '../types/commit-time.ts';
import { tryParseLsn } from '../types/lsn.ts';
import { type Instant, instantParameters, parseInstant } from './instant.ts';

/** The most bytes that the rows of a page hold together. The row that exceeds this limit still belongs to the page. */
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

/** Where a page ended: opaque to callers, valid while history grows. */
export type HistoryCursor = string & { readonly __brand: 'HistoryCursor' };

/** Where a page begins. */
export interface Continuation {
  /** The place of the last row that was received, in the order of the function's parameters; all null without a cursor. */
  readonly after: readonly (string | null)[];
  /** Where the interval ends. */
  readonly to: Instant | null;
  /** The horizon of the first page, if the requested interval reaches it. */
  readonly until: string | null;
}

/**
 * The content of a cursor of these kinds. Every page of an answer ends where the first one ended. With a later horizon, pages before the
 * cursor would be as of one moment, and pages after it as of another. Throws BAD_FLAGS if no page returned this cursor.
 */
export function continuation(
  cursor: string | null | undefined,
  kinds: readonly PartKind[],
  to: Instant | null,
): Continuation {
  const [until = null, ...after] = historyCursorParts(cursor, ['until', ...kinds]);
  return until === null || until === ''
    ? { after, to, until: null }
    : { after, to: parseInstant(until), until };
}

/** The cursor of the page after this place. */
export function nextCursor(
  { to, until }: Continuation,
  horizon: HistoryFrame['horizon'],
  place: readonly (string | null)[],
): HistoryCursor {
  const isOpen = until === null && horizon !== null && isBeyond(to, horizon);
  return formatHistoryCursor([isOpen ? horizon.ts : (until ?? ''), ...place]);
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
const PARTS = {
  number: (part: string): boolean => /^\d{1,10}$/.test(part) && BigInt(part) <= GREATEST_INTEGER,
  lsn: (part: string): boolean => POSITION.test(part),
  time: isInstant,
  until: (part: string): boolean => part === '' || isInstant(part),
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
