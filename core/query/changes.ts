/**
 * The changes of a table between two instants, of every key, page by page in commit order; or what became of each row (`net`), in
 * the order of keys. A page is one round trip and one snapshot. Values are JSON text as stored, never parsed.
 */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { askingIntervals, type ReadArchive } from './archived.ts';
import { type FoundRows, findVersions, type Place } from './archived-versions.ts';
import type { DiffOp } from './diff.ts';
import {
  type ChangeFilter,
  continuation,
  cutPage,
  FRAME_COLUMNS,
  type FrameRow,
  type HistoryCursor,
  type HistoryFrame,
  instantText,
  intervalParameters,
  nextCursor,
  PAGE_BYTES,
  toFrame,
} from './history-page.ts';
import type { Instant } from './instant.ts';
import { fromHistoryError } from './query-error.ts';

export interface ChangesRequest {
  readonly node: string;
  readonly table: TableName;
  /** null: from the start of tracking. */
  readonly from: Instant | null;
  /** null or now: to the horizon. */
  readonly to: Instant | null;
  /** One change per key, from its first state to its last. */
  readonly net?: boolean;
  readonly filter?: ChangeFilter;
  readonly limit: number;
  readonly cursor?: string | null;
  /** Gets what only the archive has; without it such a question is refused: ARCHIVED. */
  readonly readArchive?: ReadArchive | undefined;
}

/** What a commit did to one row. */
export interface HistoryChange {
  readonly schema: string;
  readonly table: string;
  /** JSON text of the key, `{column: text}`. */
  readonly pkText: string;
  /** I, U, D; T a TRUNCATE that removed the row; S what a repair found after a gap. */
  readonly op: DiffOp;
  readonly lsn: string;
  /** RFC 3339, UTC, six decimals. */
  readonly ts: string;
  readonly xid: string | null;
  readonly contextText: string | null;
  /** JSON text; null: it was not there, or (of U, D and S) it is not known. */
  readonly beforeText: string | null;
  readonly afterText: string | null;
  /** JSON text `{column: {from, to}}`; null unless the row is there before and after, and both are known. */
  readonly changedText: string | null;
  readonly incomplete?: readonly string[];
  readonly assumes?: string;
  /** Members that were left out (null here) because they did not fit into a response. */
  readonly omitted?: readonly string[];
}

export interface ChangesPage extends HistoryFrame {
  readonly changes: readonly HistoryChange[];
  /** null: nothing follows. */
  readonly next: HistoryCursor | null;
  /** `archive` if the answer needed it; otherwise omitted. */
  readonly tier?: 'archive';
}

/**
 * Throws TimewarpError: TABLE_NOT_TRACKED, NODE_UNKNOWN, BAD_TIME, BAD_FLAGS (filter, cursor), ARCHIVED, what `readArchive` throws, or a
 * failure of the store.
 */
export async function changes(store: Queryable, request: ChangesRequest): Promise<ChangesPage> {
  const { net = false, filter = {}, limit, readArchive } = request;
  const goesOn = continuation(request, net ? ['key'] : ['number', 'lsn', 'number', 'key'], [
    net ? 'net changes' : 'changes',
    request.node,
    request.table,
    filter,
  ]);
  // Reads one row more than the page, to know whether another page follows.
  const most = limit + 1;
  const ask = (place: Place, count: number, archived: string | null): Promise<Answer> =>
    askStore(store, net ? NET_CHANGES : ALL_CHANGES, [
      ...intervalParameters({ ...request, from: goesOn.from, to: goesOn.to }),
      ...[JSON.stringify(filter), ...place, count, PAGE_BYTES, archived],
    ]);
  const { found, frame, upto, isArchived } = net
    ? await findVersions(store, {
        ...{ after: goesOn.after, most, ask, readArchive, textsOf: changeTexts },
        keyBefore: ([pk]) => pk ?? '',
        placeAfter: (_, pk) => ({ next: [pk], cursor: [pk] }),
      })
    : await askingIntervals(store, readArchive, async (archived) => ({
        ...(await ask(goesOn.after, most, archived)),
        upto: null,
        isArchived: archived !== null,
      }));
  const { page, isCut } = cutPage(found, limit, changeTexts);
  const last = page.at(-1);
  const shown = toFrame(frame, goesOn.from, goesOn.to);
  const place = (row: ChangeRow): Place => (net ? [row.pk] : [row.relation_id, row.lsn, row.seq, row.pk]);
  const ended = isCut && last !== undefined ? place(last) : upto;
  return {
    ...shown,
    changes: page.map(toChange),
    next: ended && nextCursor(goesOn, shown.horizon, ended),
    ...(isArchived ? { tier: 'archive' } : {}),
  };
}

type Answer = FoundRows<FrameRow, ChangeRow>;

const NET_CHANGES = `pgtimewarp.net_changes($1, $2, $3, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn, $8::jsonb, $9, $10::int, $11::bigint,
                                $12::json)`;
const ALL_CHANGES = `pgtimewarp.table_changes($1, $2, $3, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn, $8::jsonb, $9::int, $10::pg_lsn,
                                $11::int, $12, $13::int, $14::bigint, $15::json)`;

async function askStore(store: Queryable, source: string, values: unknown[]): Promise<Answer> {
  try {
    const { rows } = await store.query<FrameRow & (ChangeRow | { readonly op: null })>(
      `SELECT ${FRAME_COLUMNS}, ${CHANGE_COLUMNS}
         FROM pgtimewarp.table_frame($1, $2, $3, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn) AS f
         LEFT JOIN ${source} WITH ORDINALITY AS c ON true
         LEFT JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id
        ORDER BY c.ordinality`,
      values,
    );
    return { frame: rows[0]!, found: rows.filter((row): row is FrameRow & ChangeRow => row.op !== null) };
  } catch (error) {
    throw fromHistoryError(error);
  }
}

/** The changes `c` of a statement, with the period `p` of each. */
export const CHANGE_COLUMNS = `
  c.relation_id::text, c.lsn::text, c.seq::text, c.pk, c.op, ${instantText('c.ts')} AS ts, c.xid::text, c.before::text, c.after::text,
  c.changed::text, c.context::text, c.incomplete, c.assumes, p.schema_name, p.table_name,
  pgtimewarp.json_key(p.pk_columns, c.pk) AS key`;

export interface ChangeRow {
  readonly relation_id: string;
  readonly lsn: string;
  readonly seq: string;
  readonly pk: string;
  readonly op: DiffOp;
  readonly ts: string;
  readonly xid: string | null;
  readonly before: string | null;
  readonly after: string | null;
  readonly changed: string | null;
  readonly context: string | null;
  readonly incomplete: readonly string[] | null;
  readonly assumes: string | null;
  readonly schema_name: string;
  readonly table_name: string;
  readonly key: string;
}

/** What counts toward the bytes of a page. */
export const changeTexts = ({ before, after, context }: ChangeRow): readonly (string | null)[] => [
  before,
  after,
  context,
];

export function toChange(row: ChangeRow): HistoryChange {
  return {
    schema: row.schema_name,
    table: row.table_name,
    pkText: row.key,
    op: row.op,
    lsn: row.lsn,
    ts: row.ts,
    xid: row.xid,
    contextText: row.context,
    beforeText: row.before,
    afterText: row.after,
    changedText: row.changed,
    ...(row.incomplete === null ? {} : { incomplete: row.incomplete }),
    ...(row.assumes === null ? {} : { assumes: row.assumes }),
  };
}
