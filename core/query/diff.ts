/**
 * Reads the changes of one key in (from, to], in commit order, page by page, and the parts of that interval in which changes may be
 * missing. A page is one round trip and one snapshot. Values are JSON text as stored, never parsed.
 */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { askingArchive, type ReadArchive } from './archived.ts';
import { continuation, type HistoryCursor, nextCursor } from './history-page.ts';
import { type Instant, instantParameters } from './instant.ts';
import type { KeyInput } from './key-input.ts';
import { fromQueryError } from './query-error.ts';

export interface DiffRequest {
  readonly node: string;
  readonly table: TableName;
  readonly pk: KeyInput;
  /** null: from the start of tracking, including the row of the baseline (S). */
  readonly from: Instant | null;
  /** null or now: up to the horizon. */
  readonly to: Instant | null;
  readonly limit: number;
  readonly cursor?: HistoryCursor | null;
  /** Gets what only the archive has; without it such a question is refused: ARCHIVED. */
  readonly readArchive?: ReadArchive;
}

/** I, U, D: from the log. S: the row of the baseline. T: a TRUNCATE that removed the row. */
export type DiffOp = 'I' | 'U' | 'D' | 'S' | 'T';

export interface DiffChange {
  readonly op: DiffOp;
  readonly lsn: string;
  /** RFC 3339, UTC, six decimals. */
  readonly ts: string;
  readonly xid: string | null;
  /** JSON text; null for D and T. */
  readonly rowText: string | null;
  /** JSON text `{column: {from, to}}`; null unless op is U and the previous row is known. */
  readonly changedText: string | null;
  readonly contextText: string | null;
  /** Columns whose values are missing in the row, although the table had them; omitted if there are none. */
  readonly incomplete?: readonly string[];
  /** `no-nan` if a null of the row was read as NULL because of --no-nan; otherwise omitted. */
  readonly assumes?: string;
  /** Members that were left out (null here) because they did not fit into a response. */
  readonly omitted?: readonly string[];
}

export interface DiffPage {
  readonly changes: readonly DiffChange[];
  /** JSON text `[{from, to, reason}]`. */
  readonly unknownText: string;
  /** As requested. Default: the start of tracking, and the horizon. */
  readonly from: string | null;
  readonly to: string | null;
  readonly horizon: { readonly lsn: string; readonly ts: string } | null;
  readonly final: boolean;
  /** null: this is the last page. */
  readonly nextCursor: HistoryCursor | null;
  /** `archive` if the answer needed it; otherwise omitted. */
  readonly tier?: 'archive';
}

/**
 * A cursor works only with the key and the interval that gave it; the ends of the interval may be left out. It holds no horizon: a
 * page shows what was added meanwhile. Throws TimewarpError: TABLE_NOT_TRACKED, BAD_KEY, NODE_UNKNOWN, BAD_FLAGS (cursor), ARCHIVED,
 * what `readArchive` throws, or a failure of the store.
 */
export async function diff(store: Queryable, request: DiffRequest): Promise<DiffPage> {
  const question = { pks: [request.pk], mayBeDamaged: false, readArchive: request.readArchive };
  return askingArchive(store, question, (archived) => readPage(store, request, archived));
}

async function readPage(store: Queryable, request: DiffRequest, archived: string | null): Promise<DiffPage> {
  const { node, table, pk, limit } = request;
  const begun = continuation(
    request,
    ['number', 'lsn', 'number'],
    ['diff', node, table.schema, table.name, pk],
  );
  const [fromTs, fromLsn, fromText] = bound(begun.from);
  const [toTs, toLsn, toText] = bound(begun.to);
  try {
    // Reads one row more than the page, to know whether another page follows.
    const { rows } = await store.query<DiffRow>(
      `SELECT ${FRAME_COLUMNS}, ${CHANGE_COLUMNS}
         FROM pgtimewarp.diff_frame($1, $2, $3, $4::jsonb, $5::timestamptz, $6::pg_lsn, $7::timestamptz, $8::pg_lsn, $13::json) f
         LEFT JOIN pgtimewarp.diff_changes($1, $2, $3, $4::jsonb, $5::timestamptz, $6::pg_lsn, $7::timestamptz,
                     $8::pg_lsn, $9::int, $10::pg_lsn, $11::int, $12::int, $13::json) WITH ORDINALITY c ON true
        ORDER BY c.ordinality`,
      [node, table.schema, table.name, pk, fromTs, fromLsn, toTs, toLsn, ...begun.after, limit + 1, archived],
    );
    const frame = rows[0]!;
    const found = rows.filter(isChange);
    const page = found.slice(0, limit);
    return {
      changes: page.map(toChange),
      unknownText: frame.unknown,
      from: fromText ?? frame.from_ts,
      to: toText ?? frame.to_ts,
      horizon:
        frame.horizon_lsn === null || frame.horizon_ts === null
          ? null
          : { lsn: frame.horizon_lsn, ts: frame.horizon_ts },
      final: frame.final === 'true',
      nextCursor: found.length > limit ? nextCursor(begun, null, placeOf(page.at(-1)!)) : null,
      ...(frame.is_archived ? { tier: 'archive' } : {}),
    };
  } catch (error) {
    throw fromQueryError(error);
  }
}

const INSTANT_FORMAT = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;
const instantText = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', ${INSTANT_FORMAT})`;

const FRAME_COLUMNS = `
  ${instantText('f.from_ts')} AS from_ts, ${instantText('f.to_ts')} AS to_ts, f.horizon_lsn::text,
  ${instantText('f.horizon_ts')} AS horizon_ts, f.unknown::text, f.final::text, f.is_archived`;
const CHANGE_COLUMNS = `
  c.op, c.lsn::text, c.seq::text, ${instantText('c.ts')} AS ts, c.xid::text, c.row_data::text AS row,
  c.changed::text, c.context::text, c.relation_id::text, c.incomplete, c.assumes`;

interface FrameColumns {
  readonly from_ts: string | null;
  readonly to_ts: string | null;
  readonly horizon_lsn: string | null;
  readonly horizon_ts: string | null;
  readonly unknown: string;
  readonly final: string;
  readonly is_archived: boolean;
}

interface ChangeColumns {
  readonly op: DiffOp;
  readonly lsn: string;
  readonly seq: string;
  readonly ts: string;
  readonly xid: string | null;
  readonly row: string | null;
  readonly changed: string | null;
  readonly context: string | null;
  readonly relation_id: string;
  readonly incomplete: readonly string[] | null;
  readonly assumes: string | null;
}

type DiffRow = FrameColumns & (ChangeColumns | { readonly op: null });

function isChange(row: DiffRow): row is FrameColumns & ChangeColumns {
  return row.op !== null;
}

function toChange(row: ChangeColumns): DiffChange {
  return {
    op: row.op,
    lsn: row.lsn,
    ts: row.ts,
    xid: row.xid,
    rowText: row.row,
    changedText: row.changed,
    contextText: row.context,
    ...(row.incomplete === null ? {} : { incomplete: row.incomplete }),
    ...(row.assumes === null ? {} : { assumes: row.assumes }),
  };
}

function placeOf(row: ChangeColumns): string[] {
  return [row.relation_id, row.lsn, row.seq];
}

function bound(instant: Instant | null): [string | null, string | null, string | null] {
  return instant === null ? [null, null, null] : instantParameters(instant);
}
