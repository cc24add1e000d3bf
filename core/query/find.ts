/**
 * Which rows of a table had values, and when: as of an instant, or at any moment between two; page by page in the order of keys. A page
 * is one round trip and one snapshot.
 */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import type { ReadArchive } from './archived.ts';
import { type FoundRows, findVersions, type Place } from './archived-versions.ts';
import {
  type ColumnValues,
  continuation,
  cutPage,
  FRAME_COLUMNS,
  type FrameRow,
  type HistoryCursor,
  type HistoryFrame,
  intervalParameters,
  nextCursor,
  otherQuestion,
  PAGE_BYTES,
  toFrame,
} from './history-page.ts';
import type { Instant } from './instant.ts';
import { fromHistoryError } from './query-error.ts';

export interface FindRequest {
  readonly node: string;
  readonly table: TableName;
  readonly where: ColumnValues;
  /** As of this instant; null: at any moment between `from` and `to`. */
  readonly at: Instant | null;
  readonly from: Instant | null;
  readonly to: Instant | null;
  readonly limit: number;
  readonly cursor?: string | null;
  /** Gets what only the archive has; without it such a question is refused: ARCHIVED. */
  readonly readArchive?: ReadArchive | undefined;
}

export interface FoundRow {
  /** JSON text of the key. */
  readonly pkText: string;
  /** JSON texts `{lsn, ts, xid}`; of `valid_to` null: nothing has ended it so far. */
  readonly validFromText: string;
  readonly validToText: string;
  /** JSON text; that of null where it was left out, see `omitted`. */
  readonly rowText: string;
  readonly incomplete?: readonly string[];
  readonly assumes?: string;
  /** Members that were left out (null) because they did not fit into a response. */
  readonly omitted?: readonly string[];
}

export interface FindPage extends HistoryFrame {
  readonly rows: readonly FoundRow[];
  /** The cursor of the next page, also if this one has no rows; null: nothing follows. */
  readonly next: HistoryCursor | null;
  /** `archive` if the answer needed it; otherwise omitted. */
  readonly tier?: 'archive';
}

/**
 * Throws TimewarpError: TABLE_NOT_TRACKED, NODE_UNKNOWN, BAD_TIME, BAD_FLAGS (values, cursor), ARCHIVED, what `readArchive` throws, or a
 * failure of the store.
 */
export async function findRows(store: Queryable, request: FindRequest): Promise<FindPage> {
  const { at, where } = request;
  const goesOn = continuation(
    { ...request, to: at === null ? request.to : at },
    ['shape', 'number', 'key', 'lsn', 'number'],
    ['find', request.node, request.table, where],
  );
  const [shape, ...after] = goesOn.after;
  if (shape === 'interval' && at !== null && at.kind !== 'now') throw otherQuestion();
  const isInstant = shape === null || shape === undefined ? at !== null : shape === 'instant';
  const { to } = goesOn;
  const from = isInstant ? to : goesOn.from;
  // "now" is the horizon
  const horizon = '(SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = $1)';
  const isNow = isInstant && to?.kind === 'now';
  const fromTs = isNow ? `coalesce($4::timestamptz, ${horizon})` : '$4::timestamptz';
  const toTs = isNow ? `coalesce($6::timestamptz, ${horizon})` : '$6::timestamptz';
  const ask = (place: Place, limit: number, archived: string | null): Promise<Answer> =>
    askStore(store, {
      text: findSql(fromTs, toTs),
      values: [
        ...intervalParameters({ node: request.node, table: request.table, from, to }),
        ...[isInstant, JSON.stringify(where), ...place, limit, PAGE_BYTES, archived],
      ],
    });
  const { found, frame, upto, isArchived } = await findVersions(store, {
    ...{ after, most: request.limit + 1, ask, readArchive: request.readArchive, textsOf },
    keyBefore: ([relation, pk, lsn], relationId) => {
      if (pk == null || relation !== `${relationId}`) return '';
      // a page may have ended between two versions of a key, which directly follows its text without the bracket
      return lsn == null ? pk : pk.slice(0, -1);
    },
    placeAfter: (relationId, pk) => ({
      next: [`${relationId}`, pk, null, null],
      cursor: [`${relationId}`, pk, LAST_LSN, '0'],
    }),
  });
  const { page, isCut } = cutPage(found, request.limit, textsOf);
  const last = page.at(-1);
  const shown = toFrame(frame, from, to);
  const ended = isCut && last !== undefined ? [last.relation_id, last.pk, last.lsn, last.seq] : upto;
  return {
    ...shown,
    rows: page.map(toFound),
    next: ended && nextCursor(goesOn, shown.horizon, [isInstant ? 'instant' : 'interval', ...ended]),
    ...(isArchived ? { tier: 'archive' } : {}),
  };
}

type Answer = FoundRows<FrameRow, FoundVersion>;

const textsOf = ({ row }: FoundVersion): readonly string[] => [row];

/** After every version of a key. */
const LAST_LSN = 'FFFFFFFF/FFFFFFFF';

const findSql = (fromTs: string, toTs: string): string => `
  SELECT ${FRAME_COLUMNS}, c.relation_id::text, c.pk, c.lsn::text, c.seq::text, c.row_data::text AS row, c.incomplete, c.assumes,
         pgtimewarp.json_key(p.pk_columns, c.pk) AS key, pgtimewarp.json_commit(c.lsn, c.ts, c.xid) AS valid_from,
         pgtimewarp.json_commit(c.to_lsn, c.to_ts, c.to_xid) AS valid_to
    FROM pgtimewarp.table_frame($1, $2, $3, ${fromTs}, $5::pg_lsn, ${toTs}, $7::pg_lsn) AS f
    LEFT JOIN pgtimewarp.find_rows($1, $2, $3, ${fromTs}, $5::pg_lsn, ${toTs}, $7::pg_lsn, $8::boolean, $9::jsonb,
                $10::int, $11, $12::pg_lsn, $13::int, $14::int, $15::bigint, $16::json) WITH ORDINALITY AS c ON true
    LEFT JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id
   ORDER BY c.ordinality`;

async function askStore(
  store: Queryable,
  { text, values }: { readonly text: string; readonly values: unknown[] },
): Promise<Answer> {
  try {
    const { rows } = await store.query<FrameRow & (FoundVersion | { readonly pk: null })>(text, values);
    const found = rows.filter((row): row is FrameRow & FoundVersion => row.pk !== null);
    return { frame: rows[0]!, found };
  } catch (error) {
    throw fromHistoryError(error);
  }
}

interface FoundVersion {
  readonly relation_id: string;
  readonly pk: string;
  readonly lsn: string;
  readonly seq: string;
  readonly row: string;
  readonly incomplete: readonly string[] | null;
  readonly assumes: string | null;
  readonly key: string;
  readonly valid_from: string;
  readonly valid_to: string;
}

function toFound(row: FoundVersion): FoundRow {
  return {
    pkText: row.key,
    validFromText: row.valid_from,
    validToText: row.valid_to,
    rowText: row.row,
    ...(row.incomplete === null ? {} : { incomplete: row.incomplete }),
    ...(row.assumes === null ? {} : { assumes: row.assumes }),
  };
}
