/**
 * The rows of a plan that the history shows to be in conflict: later transactions changed them. For a plan without the source. Rows that
 * no run has read yet are found by the script.
 */

import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { asOfMany } from '../query/as-of.ts';
import { parseInstant } from '../query/instant.ts';
import type { KeyInput } from '../query/key-input.ts';
import { jsonMembers, quoteJson } from '../types/json-text.ts';
import type { RowRestore } from './fold-changes.ts';
import type { TableRestore } from './restore-input.ts';
import type { RestoreConflict } from './restore-result.ts';
import type { Members } from './undone-changes.ts';

const MAX_BYTES = 16 * 1024 * 1024;

/** @param horizonLsn the position up to which the history is read */
export async function conflictsInHistory(
  store: Queryable,
  {
    node,
    horizonLsn,
    tables,
  }: {
    readonly node: string;
    readonly horizonLsn: string;
    readonly tables: readonly TableRestore[];
  },
): Promise<RestoreConflict[]> {
  const found: RestoreConflict[] = [];
  for (const each of tables) {
    const later = await changedLater(store, each);
    const rows = each.rows.filter(({ conflict, pk }) => conflict !== null || later.has(pk));
    const states = await statesOf(store, { node, each, rows, horizonLsn });
    rows.forEach((row, index) => {
      const state = states[index]!;
      const reason = row.conflict ?? reasonOf(each, row, state);
      if (reason !== null) found.push(toConflict(each, row, { reason, state }));
    });
  }
  return found;
}

/** Keys with changes after those that are undone. */
async function changedLater(store: Queryable, { relationId, rows }: TableRestore): Promise<Set<string>> {
  const found = await store.query<{ pk: string }>(
    `SELECT k.pk
       FROM unnest($2::text[], $3::pg_lsn[]) AS k (pk, lsn)
      WHERE EXISTS (
              SELECT FROM pgtimewarp.row_changes AS c
               WHERE c.relation_id = $1::int AND c.pk = k.pk AND c.valid_from_lsn > k.lsn)
         OR EXISTS (
              SELECT FROM pgtimewarp.relation_events AS e
               WHERE e.relation_id = $1::int AND e.op = 'T' AND e.lsn > k.lsn)`,
    [relationId, rows.map(({ pk }) => pk), rows.map(({ lsn }) => lsn)],
  );
  return new Set(found.rows.map(({ pk }) => pk));
}

/** undefined: not known. null: no row. */
type State = Members | null | undefined;

interface Asked {
  readonly node: string;
  readonly each: TableRestore;
  readonly rows: readonly RowRestore[];
  readonly horizonLsn: string;
}

/** The rows at the horizon, in the order of `rows`. */
async function statesOf(store: Queryable, { node, each, rows, horizonLsn }: Asked): Promise<State[]> {
  const states: State[] = [];
  const at = parseInstant(horizonLsn);
  while (states.length < rows.length) {
    const pks = rows.slice(states.length).map(({ pkText }) => pkText as KeyInput);
    const answers = await asOfMany(store, { node, table: each.table, pks, at, maxBytes: MAX_BYTES });
    for (const answer of answers) {
      if (answer instanceof TimewarpError) throw answer;
      if (answer.status === 'unknown') states.push(undefined);
      else if (answer.status === 'absent') states.push(null);
      else states.push(jsonMembers(jsonMembers(answer.answerText, 0).members.get('row')!, 0).members);
    }
  }
  return states;
}

/** As the guard of the script decides. null: none. */
function reasonOf(
  { rowColumns }: TableRestore,
  row: RowRestore,
  state: State,
): RestoreConflict['reason'] | null {
  if (state === undefined) return null;
  if (row.op === 'insert') return state === null ? null : 'exists_now';
  if (state === null) return 'gone';
  const guarded = row.op === 'update' ? row.columns : rowColumns;
  return guarded.some((name) => state.get(name) !== row.expected?.get(name)) ? 'changed_since' : null;
}

function toConflict(
  { table, keyColumns, now }: TableRestore,
  row: RowRestore,
  { reason, state }: { readonly reason: RestoreConflict['reason']; readonly state: State },
): RestoreConflict {
  const types = new Map(now.columns.map(({ name, baseTypeOid }) => [name, baseTypeOid]));
  const isShown = (name: string): boolean =>
    row.op !== 'update' || keyColumns.includes(name) || row.columns.includes(name);
  const text = (members: State): string | null =>
    members === null || members === undefined
      ? null
      : `{${[...members]
          .filter(([name]) => isShown(name))
          .map(([name, value]) => `${quoteJson(name)}:${asText(value, types.get(name))}`)
          .join(',')}}`;
  const { pkText } = row;
  return {
    ...{ schema: table.schema, table: table.name, pkText, reason },
    ...{ expectedText: text(row.expected), foundText: text(state) },
  };
}

const BOOLEAN = 16;
const TIMESTAMPS: ReadonlySet<number | undefined> = new Set([1114, 1184]);

/** The JSON string of a value as PostgreSQL prints it, except of arrays and rows, which stay JSON. */
function asText(value: string, type: number | undefined): string {
  if (value === 'null') return value;
  if (TIMESTAMPS.has(type)) return value.replace('T', ' ').replace(/\+00:00(?=( BC)?"$)/, '+00');
  if (value.startsWith('"')) return value;
  return quoteJson(type === BOOLEAN ? value.charAt(0) : value);
}
