/**
 * After a restore was committed and a run has read it: what the history holds of its rows is what was put back. The script has compared
 * the rows on the source; this shows that they also arrived in the history, so that the restore itself can be undone.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName } from '../pg/identifiers.ts';
import { jsonMembers } from '../types/json-text.ts';
import { isSameJson } from '../types/same-json.ts';
import type { RowRestore } from './fold-changes.ts';
import { bulkVersions } from './removed-rows.ts';
import type { TableRestore } from './restore-input.ts';
import type { RestoreConflict } from './restore-result.ts';
import type { Members } from './undone-changes.ts';

const CHUNK_ROWS = 20_000;
const NAMED_ROWS = 20;

interface Restored {
  /** The commit of the restore. */
  readonly lsn: string;
  readonly tables: readonly TableRestore[];
  /** Rows that were left out. */
  readonly conflicts: readonly RestoreConflict[];
}

/** Throws RESTORE_DIFFERS, which names the rows. */
export async function requireExactHistory(
  store: Queryable,
  { lsn, tables, conflicts }: Restored,
): Promise<void> {
  const left = new Set(conflicts.map(({ schema, table, pkText }) => JSON.stringify([schema, table, pkText])));
  const wrong: string[] = [];
  for (const each of tables) {
    const { schema, name } = each.table;
    const rows = each.rows.filter(({ pkText }) => !left.has(JSON.stringify([schema, name, pkText])));
    for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
      const chunk = rows.slice(start, start + CHUNK_ROWS);
      const states = await statesAt(store, { lsn, relationId: each.relationId, rows: chunk });
      for (const row of chunk)
        if (!isExact(each, row, states.get(row.pk)))
          wrong.push(`${formatTableName(each.table)} ${row.pkText}`);
    }
    const leftInBulk = left.size - (each.rows.length - rows.length);
    wrong.push(...(await wrongInBulk(store, { lsn, each, leftOut: leftInBulk })));
  }
  if (wrong.length === 0) return;
  const others = wrong.length > NAMED_ROWS ? ` and ${wrong.length - NAMED_ROWS} more` : '';
  throw new TimewarpError(
    'RESTORE_DIFFERS',
    `The restore is committed at ${lsn}, but by the history these rows are not what was put back: ${wrong.slice(0, NAMED_ROWS).join(', ')}${others}.`,
    { facts: { lsn, rows: wrong.length } },
  );
}

interface State {
  readonly isThere: boolean | null;
  readonly row: Members | null;
  readonly incomplete: readonly string[];
}

async function statesAt(
  store: Queryable,
  {
    lsn,
    relationId,
    rows: asked,
  }: { readonly lsn: string; readonly relationId: string; readonly rows: readonly RowRestore[] },
): Promise<Map<string, State>> {
  const { rows } = await store.query<{
    pk: string;
    is_there: boolean | null;
    row_data: string | null;
    incomplete: readonly string[] | null;
  }>(
    `SELECT r.pk, r.is_there, r.row_data::text, r.incomplete
       FROM pgtimewarp.rows_at($1::int, $2::pg_lsn, p_keys => $3::text[]) AS r`,
    [relationId, lsn, asked.map(({ pk }) => pk)],
  );
  return new Map(
    rows.map(({ pk, is_there, row_data, incomplete }) => [
      pk,
      {
        isThere: is_there,
        row: row_data === null ? null : jsonMembers(row_data, 0).members,
        incomplete: incomplete ?? [],
      },
    ]),
  );
}

/** Of the rows that came back in bulk. @param leftOut so many of them may be missing */
async function wrongInBulk(
  store: Queryable,
  { lsn, each, leftOut }: { readonly lsn: string; readonly each: TableRestore; readonly leftOut: number },
): Promise<string[]> {
  if (each.removed === null) return [];
  const [wrong, missing]: [string[], string[]] = [[], []];
  const isSame = (target: string, found: string, incomplete: readonly string[]): boolean => {
    const put = jsonMembers(target, 0).members;
    const now = jsonMembers(found, 0).members;
    return each.rowColumns.every(
      (name) => incomplete.includes(name) || isSameValue(now.get(name), put.get(name)),
    );
  };
  for await (const { key, target, found, incomplete } of bulkVersions(store, each.removed, lsn))
    if (found === null) missing.push(`${formatTableName(each.table)} ${key}`);
    else if (!isSame(target, found, incomplete ?? [])) wrong.push(`${formatTableName(each.table)} ${key}`);
  return missing.length <= leftOut ? wrong : [...missing, ...wrong];
}

/** PostgreSQL writes spaces and strings of json anew when it reads a row from JSON, wherever a type holds them. */
const isSameValue = (one: string | undefined, other: string | undefined): boolean =>
  one === other || (one !== undefined && other !== undefined && isSameJson(one, other));

/** Whether a wider column has added zeros or blanks to a value, which the script allows in columns of another type. */
function isWidened(found: string | undefined, put: string | undefined): boolean {
  if (found === undefined || put === undefined) return false;
  if (put.startsWith('"'))
    return found.replace(/ *"$/, '"') === put.replace(/ *"$/, '"') && found.length > put.length;
  return found.startsWith(put) && (put.includes('.') ? /^0+$/ : /^\.0+$/).test(found.slice(put.length));
}

/** A value that the history does not hold is no difference. */
function isExact({ rowColumns, retyped }: TableRestore, row: RowRestore, state: State | undefined): boolean {
  if (row.op === 'delete') return state === undefined || state.isThere === false;
  if (state?.isThere !== true || state.row === null) return false;
  const { defaults = [] } = row;
  const columns = row.op === 'update' ? row.columns : rowColumns;
  return columns.every(
    (name) =>
      defaults.includes(name) ||
      state.incomplete.includes(name) ||
      isSameValue(state.row!.get(name), row.target!.get(name)) ||
      (retyped.includes(name) && isWidened(state.row!.get(name), row.target!.get(name))),
  );
}
