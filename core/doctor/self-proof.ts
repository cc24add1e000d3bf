/**
 * Compares history with the tables. Random rows of a table must equal an as-of answer at the same position. Random keys of the
 * history must be in their table, unless history says that the row is deleted. readProof() reads the rows, then the position of
 * the log, and waits until the store has reached it. A difference is then a change of that moment or a fault: it reads the row
 * again to find out.
 */

import type pg from 'pg';
import { RAW_TEXT_TYPES } from '../pg/connection.ts';
import { quoteIdentifier, quoteOwnRows, type TableName } from '../pg/identifiers.ts';
import { inTransaction } from '../pg/transaction.ts';
import { poll } from '../poll.ts';
import type { DatabaseUrls } from '../setup/databases.ts';
import { readTypeCatalog, type TableFacts } from '../source/catalog/table-facts.ts';
import { readBaselineChunk } from '../source/rows/read-chunk.ts';
import { readMissingKeys } from '../source/rows/read-missing-keys.ts';
import { readInsertLsn } from '../source/slot/end-of-wal.ts';
import { readRelationEntry } from '../store/tables/entries.ts';
import { refuteNoNan } from '../store/tables/no-nan.ts';
import { jsonMembers } from '../types/json-text.ts';
import { formatLsn, type Lsn, parseLsn } from '../types/lsn.ts';
import type { TypeCatalog } from '../types/pg-types.ts';

export interface ProofFacts {
  /** Rows that are the same in history and table. */
  readonly compared: number;
  /** Rows that changed between all tries, or whose position the store did not reach in time. */
  readonly undecided: number;
  readonly differences: readonly ProofDifference[];
  /** Columns of tables tracked with --no-nan in which a drawn row has NaN or infinity. */
  readonly notFinite: readonly { readonly table: TableName; readonly column: string }[];
}

interface ProofDifference {
  readonly table: TableName;
  /** The key as the history has it: `["42"]`. */
  readonly key: string;
  readonly what: string;
}

export interface ProofTable {
  readonly relationId: number;
  readonly name: TableName;
  readonly facts: TableFacts;
  readonly keyColumns: readonly string[];
  readonly excludedColumns: readonly string[];
  /** Tracked with --no-nan. */
  readonly noNan: boolean;
}

/** A random key. Either the proof reads the row that follows it in key order (null: the first row), or the history has this key. */
interface Draw {
  readonly table: ProofTable;
  readonly after: readonly string[] | null;
  readonly key?: string;
}

interface LiveRow {
  readonly draw: Draw;
  readonly key: string;
  /** null: the table has no such row. */
  readonly rowData: string | null;
  /** A column of the row that has NaN or infinity. */
  readonly notFinite: string | null;
}

const ROWS_PER_TABLE = 4;
const MAX_TABLES = 20;
const TRIES = 3;
const POLL_SECONDS = 5;

/** Compares rows of tables whose baseline is finished. Calls poll() with a time limit, so that the store reaches the position. */
export async function readProof(
  urls: DatabaseUrls,
  { source, store }: { readonly source: pg.Client; readonly store: pg.Client },
  tables: readonly ProofTable[],
): Promise<ProofFacts> {
  const types = await readTypeCatalog(source);
  let open: Draw[] = [];
  for (const table of drawTables(tables)) {
    open.push(...(await drawPlaces(source, table)), ...(await drawKeys(store, urls.node, table)));
  }
  let compared = 0;
  let differences: ProofDifference[] = [];
  const notFinite = new Map<number, { table: TableName; column: string }>();
  for (let attempt = 0; attempt < TRIES && open.length > 0; attempt++) {
    const live = await readLive(source, open, types);
    for (const { draw, notFinite: column } of live) {
      const { relationId, name, noNan } = draw.table;
      if (!noNan || column === null) continue;
      notFinite.set(relationId, { table: name, column });
      await inTransaction(store, (tx) => refuteNoNan(tx, urls.node, { relationId, column }));
    }
    const position = await readInsertLsn(source);
    if ((await appliedLsn(store, urls.node)) < position)
      await poll({ ...urls, maxSeconds: POLL_SECONDS }).catch(() => null); // other checks report failures of runs
    if ((await appliedLsn(store, urls.node)) < position) continue;
    open = [];
    differences = [];
    for (const row of live) {
      const what = await compare(store, urls.node, row, position);
      if (what === null) compared++;
      else {
        open.push(row.draw);
        differences.push({ table: row.draw.table.name, key: row.key, what });
      }
    }
  }
  return {
    compared,
    undecided: open.length - differences.length,
    differences,
    notFinite: [...notFinite.values()],
  };
}

function drawTables(tables: readonly ProofTable[]): ProofTable[] {
  return tables
    .filter(({ facts }) => !facts.rowSecurity) // the check row_security reports it
    .map((table) => ({ table, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .slice(0, MAX_TABLES)
    .map(({ table }) => table);
}

/** Keys of random rows. For a large table they come from a sample of its pages (PostgreSQL manual, "SELECT", TABLESAMPLE). */
async function drawPlaces(source: pg.Client, table: ProofTable): Promise<Draw[]> {
  const columns = table.keyColumns.map(quoteIdentifier).join(', ');
  const estimated = table.facts.estimatedRows;
  const sample = estimated > 10_000 ? `TABLESAMPLE SYSTEM (${(200_000 / estimated).toFixed(6)})` : '';
  const { rows } = await source.query<string[]>({
    text: `SELECT ${columns} FROM (SELECT ${columns} FROM ${quoteOwnRows(table.facts)} ${sample} LIMIT 10000) AS t
            ORDER BY random() LIMIT ${ROWS_PER_TABLE - 1}`,
    rowMode: 'array',
    types: RAW_TEXT_TYPES,
  });
  return [{ table, after: null }, ...rows.map((after) => ({ table, after }))];
}

/** Random keys of the history, out of the first ones that the query reads. */
async function drawKeys(store: pg.Client, node: string, table: ProofTable): Promise<Draw[]> {
  const entry = await readRelationEntry(store, node, table.name);
  if (entry === null) return [];
  const { rows } = await store.query<{ pk: string }>(
    // the planner must know relation_id: then it reads the partition of this table only
    `SELECT DISTINCT c.pk
       FROM (SELECT c.pk
               FROM (SELECT c.pk FROM pgtimewarp.row_changes AS c WHERE c.relation_id = $1::int LIMIT 10000) AS c
              ORDER BY random() LIMIT $2::int) AS c`,
    [entry.relationId, ROWS_PER_TABLE],
  );
  return rows.map(({ pk }) => ({ table, after: null, key: pk }));
}

async function readLive(source: pg.Client, draws: readonly Draw[], types: TypeCatalog): Promise<LiveRow[]> {
  const live: LiveRow[] = [];
  for (const draw of draws) {
    const { table, key } = draw;
    if (key !== undefined) {
      const missing = await readMissingKeys(source, { ...table, keys: [key], leaves: null });
      if (missing.keys.length > 0) live.push({ draw, key, rowData: null, notFinite: null }); // only a draw of the history has a key whose row may be missing
      continue;
    }
    const chunk = await readBaselineChunk(source, { ...draw.table, types, cursor: draw.after, limit: 1 });
    for (const { key, rowData } of chunk.rows) live.push({ draw, key, rowData, notFinite: chunk.notFinite });
  }
  return live;
}

async function appliedLsn(store: pg.Client, node: string): Promise<Lsn> {
  const { rows } = await store.query<{ lsn: string }>(
    'SELECT applied_lsn AS lsn FROM pgtimewarp.wal_checkpoints WHERE node_id = $1::text',
    [node],
  );
  return parseLsn(rows[0]!.lsn);
}

/** @returns the difference; null when history agrees, or answers "unknown" */
// biome-ignore lint/complexity/useMaxParams: a session and the three things that name one as-of question
async function compare(store: pg.Client, node: string, live: LiveRow, position: Lsn): Promise<string | null> {
  const { table } = live.draw;
  const { rows } = await store.query<{ status: string; row: string; incomplete: string[] }>(
    `SELECT a.status, (a.answer -> 'row')::text AS row,
            ARRAY(SELECT json_array_elements_text(a.answer -> 'incomplete')) AS incomplete
       FROM pgtimewarp.asof_answer($1::text, $2::text, $3::text,
              (SELECT jsonb_object_agg(k.name, k.value)
                 FROM unnest($4::text[], ARRAY(SELECT json_array_elements_text($5::json))) AS k (name, value)),
              NULL, $6::pg_lsn, NULL) AS a`,
    [node, table.name.schema, table.name.name, table.keyColumns, live.key, formatLsn(position)],
  );
  const answer = rows[0]!;
  if (answer.status === 'unknown') return null;
  if (live.rowData === null) return answer.status === 'absent' ? null : 'the table has no such row';
  if (answer.status === 'absent') return 'history has no such row';
  const stored = jsonMembers(answer.row, 0).members;
  const values = new Set(stored.values());
  const { excludedColumns, facts } = table; // the check excluded_column reports renamed ones
  const excludedIsGone = excludedColumns.some(
    (name) => !facts.columns.some((column) => column.name === name),
  );
  const isOther = (name: string, value: string): boolean =>
    // a column may be missing in the stored row: it was added later, without a value, or renamed
    stored.has(name) ? stored.get(name) !== value : value !== 'null' && !values.has(value) && !excludedIsGone;
  const differing = [...jsonMembers(live.rowData, 0).members]
    .filter(([name, value]) => !answer.incomplete.includes(name) && isOther(name, value))
    .map(([name]) => name);
  return differing.length === 0 ? null : `other values in ${differing.join(', ')}`;
}
