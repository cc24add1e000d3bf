/**
 * Reads from the store what became of the rows of a table since an instant: one change per key, from its state at the instant to its
 * state at the horizon. Undoing these changes puts the rows back as they were. Nothing is guessed: an instant or an interval that is not
 * wholly known is an error.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import {
  type ColumnValues,
  FRAME_COLUMNS,
  type FrameRow,
  intervalParameters,
} from '../query/history-page.ts';
import { type Instant, parseInstant } from '../query/instant.ts';
import type { KeyInput } from '../query/key-input.ts';
import { fromHistoryError } from '../query/query-error.ts';
import { openTable } from '../query/table-rows.ts';
import { numbersAsText } from '../types/json-text.ts';
import {
  type Bounds,
  counting,
  pageOf,
  toUndone,
  UNDONE_COLUMNS,
  type UndoneChange,
  type UndoneRow,
} from './undone-changes.ts';

/** Which rows: all, or those that have these values at the instant or at the horizon, or the one with this key. */
export type ChosenRows =
  | { readonly kind: 'all' }
  | { readonly kind: 'where'; readonly where: ColumnValues }
  | { readonly kind: 'key'; readonly key: KeyInput };

export interface SinceRequest extends Bounds {
  readonly node: string;
  readonly table: TableName;
  readonly at: Instant;
  readonly rows: ChosenRows;
  /** Only rows with versions after the instant: the others that are gone come back in bulk. */
  readonly writtenOnly?: boolean | undefined;
}

export interface ChangesSince {
  readonly changes: readonly UndoneChange[];
  /** The position of the instant. */
  readonly fromLsn: string;
  /** The horizon up to which the changes are known. */
  readonly untilLsn: string;
}

/** Throws ROWS_UNKNOWN, VALUES_UNKNOWN, BAD_KEY, BAD_FLAGS (more rows than `maxRows`), and what questions throw. */
export async function changesSince(store: Queryable, request: SinceRequest): Promise<ChangesSince> {
  const { node, table, at } = request;
  const count = counting(request);
  const begin = await openTable(store, { node, table, at });
  if (!begin.final || begin.horizon === null)
    throw new TimewarpError('ROWS_UNKNOWN', 'The instant is not before the horizon.', {
      remedy: 'Wait for a run, or make one: pgtimewarp poll.',
    });
  const until = parseInstant(begin.horizon.lsn);
  const interval = intervalParameters({ node, table, from: at, to: until });
  const where = chosenValues(request, begin.keyColumns);
  const filter = JSON.stringify({
    ...(where === null ? {} : { where }),
    ...(request.writtenOnly === true ? { written: true } : {}),
  });
  await requireKnownInterval(store, interval);
  const found: UndoneChange[] = [];
  let after: string | null = null;
  for (;;) {
    const { rows }: { rows: UndoneRow[] } = await store
      .query<UndoneRow>(
        `SELECT ${UNDONE_COLUMNS}
           FROM pgtimewarp.net_changes($1, $2, $3, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn, $8::jsonb, $9, $10::int,
                                       $11::bigint) WITH ORDINALITY AS c
           JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id
          ORDER BY c.ordinality`,
        [...interval, filter, after, ...pageOf(request)],
      )
      .catch((error: unknown) => {
        throw fromHistoryError(error);
      });
    rows.forEach(count);
    found.push(...rows.map(toUndone));
    const last = rows.at(-1);
    if (last === undefined) return { changes: found, fromLsn: begin.lsn, untilLsn: begin.horizon.lsn };
    after = last.pk;
  }
}

/** Throws ROWS_UNKNOWN if changes of the table may be missing between the positions. */
export async function requireKnown(
  store: Queryable,
  {
    node,
    table,
    fromLsn,
    untilLsn,
  }: {
    readonly node: string;
    readonly table: TableName;
    readonly fromLsn: string;
    readonly untilLsn: string;
  },
): Promise<void> {
  const [from, to] = [parseInstant(fromLsn), parseInstant(untilLsn)];
  await requireKnownInterval(store, intervalParameters({ node, table, from, to }));
}

async function requireKnownInterval(store: Queryable, interval: readonly (string | null)[]): Promise<void> {
  const { rows } = await store
    .query<FrameRow>(
      `SELECT ${FRAME_COLUMNS}
         FROM pgtimewarp.table_frame($1, $2, $3, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn) AS f`,
      [...interval],
    )
    .catch((error: unknown) => {
      throw fromHistoryError(error);
    });
  const { final, unknown } = rows[0]!;
  if (final === 'true' && unknown === '[]') return;
  throw new TimewarpError('ROWS_UNKNOWN', 'Not everything is known between the instant and the horizon.', {
    remedy: '`pgtimewarp changes TABLE --from T` lists what is not known.',
    facts: { unknown },
  });
}

/** null: all rows. */
function chosenValues({ table, rows }: SinceRequest, keyColumns: readonly string[]): ColumnValues | null {
  if (rows.kind === 'all') return null;
  if (rows.kind === 'where') return rows.where;
  const values = keyValues(rows.key, keyColumns);
  const names = Object.keys(values);
  if (names.length === keyColumns.length && keyColumns.every((name) => names.includes(name))) return values;
  throw new TimewarpError(
    'BAD_KEY',
    `The key of ${formatTableName(table)} has the columns ${keyColumns.join(', ')}.`,
  );
}

/** Numbers keep their digits. */
function keyValues(key: KeyInput, keyColumns: readonly string[]): ColumnValues {
  const given = JSON.parse(numbersAsText(key)) as string | Record<string, unknown>;
  if (typeof given === 'string') return keyColumns.length === 1 ? { [keyColumns[0]!]: given } : {};
  const values = Object.entries(given).filter(([, value]) => value !== null);
  return Object.fromEntries(values.map(([name, value]) => [name, String(value)]));
}
