/**
 * The SQL of a restore: one transaction that either puts back exactly the planned rows or changes nothing. --apply runs these statements,
 * and --plan writes them to a file, so both refuse alike.
 *
 * It relies on four things. Rows are locked before they are compared. All rows are written by ONE statement, because PostgreSQL
 * checks foreign keys at the end of a statement (of its WITH parts too): order, cycles and self references need no care. What the
 * transaction wrote to every table is counted and compared with the plan, so cascades and triggers cannot write unnoticed.
 * Every row is read again and compared before the commit.
 */
import { quoteIdentifier, quoteOwnRows, quoteTable } from '../pg/identifiers.ts';
import { TRANSACTION_OUTPUT_SQL } from '../pg/session-settings.ts';
import { quoteJson } from '../types/json-text.ts';
import {
  type BulkLoad,
  bulkCountsSql,
  bulkGuardSql,
  bulkInsertSql,
  bulkLeaveOutSql,
  bulkLoads,
  bulkName,
  bulkTablesSql,
  bulkVerifySql,
  COUNT_TABLE_SQL,
  straightWrittenSql,
} from './bulk-script.ts';
import {
  inspectSql,
  keepTriggersSql,
  placeSql,
  REFUSALS_TABLE_SQL,
  refuseTablesSql,
  sequencesSql,
  switchTriggersSql,
} from './inspect-source.ts';
import type { RestoreScriptInput, TableRestore } from './restore-input.ts';
import { refuseOtherValuesSql } from './retyped-columns.ts';
import { block, CONFLICT_STATE, EQUALS, literal, refuse, textArray } from './sql-text.ts';

/** The parts of the script, in their order; each is a list of statements. */
export interface RestoreScript {
  /** Begins, and fills pg_temp.restore_refusal. Needs no lock and no right to the tables. */
  readonly inspect: readonly string[];
  /** Ends with an error if there are refusals, and loads the rows. Needs no lock and no right to write. */
  readonly prepare: readonly string[];
  readonly lock: readonly string[];
  /** Rows in bulk, which no statement holds. */
  readonly loads: readonly BulkLoad[];
  /** Fills pg_temp.restore_conflict. */
  readonly guard: readonly string[];
  /** The same without locks, for a plan. */
  readonly look: readonly string[];
  /** Ends with an error if there are conflicts, or leaves their rows out. */
  readonly judge: readonly string[];
  readonly write: readonly string[];
  readonly check: readonly string[];
}

const CHUNK_ROWS = 1_000;
const OWN_PATH_SQL = 'SET LOCAL search_path = pg_catalog, pg_temp';
const PLUS = 'OPERATOR(pg_catalog.+)';

export function restoreScript(input: RestoreScriptInput): RestoreScript {
  const { tables } = input;
  return {
    inspect: [
      'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE',
      ...TRANSACTION_OUTPUT_SQL.split('; '),
      OWN_PATH_SQL,
      `SET LOCAL lock_timeout = ${input.lockTimeoutMs}`,
      placeSql(input),
      REFUSALS_TABLE_SQL,
      inspectSql(input),
    ],
    prepare: [
      refuseTablesSql(input),
      `CREATE TEMP TABLE restore_conflict (
  table_number int, n int, schema_name text, table_name text, pk text, reason text, expected text, found text, place tid) ON COMMIT DROP`,
      COUNT_TABLE_SQL,
      ...tables.flatMap(loadSql),
      ...bulkTablesSql(input),
    ],
    loads: bulkLoads(input),
    lock: [
      `LOCK TABLE ${[...tables]
        .sort((a, b) => (quoteTable(a.table) < quoteTable(b.table) ? -1 : 1))
        .map(own)
        .join(', ')} IN ${input.noTriggers ? 'SHARE ROW EXCLUSIVE' : 'ROW EXCLUSIVE'} MODE`,
      ...[inspectSql(input), refuseTablesSql(input)], // now nobody can change the tables any more
      keepTriggersSql(input),
      ...(input.noTriggers ? [switchTriggersSql('DISABLE')] : []),
      ...tables.map(lockRowsSql),
    ],
    guard: [...tables.map((each, index) => guardSql(each, index, true)), ...bulkGuardSql(input)],
    look: tables.map((each, index) => guardSql(each, index, false)),
    judge: input.skipConflicts
      ? [...tables.map((_, index) => leaveOutSql(index)), ...bulkLeaveOutSql(input)]
      : [raiseConflictsSql()],
    write: [
      ...bulkCountsSql(input),
      ...beforeWriting(),
      writeSql(tables),
      ...afterWriting(input),
      ...tables.flatMap((each, index) => sequencesSql(each, index, 'loaded')),
    ],
    check: [
      ...tables.map(verifySql),
      ...bulkVerifySql(input),
      surplusSql(input),
      ...(input.noTriggers ? [switchTriggersSql('ENABLE')] : []),
    ],
  };
}

/** What `write` becomes when rows are copied straight into their table: before and after the COPY. */
export function straightWrite(
  input: RestoreScriptInput,
  count: number,
): Record<'before' | 'after', string[]> {
  return {
    before: beforeWriting(),
    after: [
      ...straightWrittenSql(count),
      ...afterWriting(input),
      ...input.tables.flatMap((each, index) => sequencesSql(each, index, 'table')),
    ],
  };
}

/** What `check` becomes then. */
export const straightCheck = (input: RestoreScriptInput): string[] => [
  surplusSql(input),
  ...(input.noTriggers ? [switchTriggersSql('ENABLE')] : []),
];

const beforeWriting = (): string[] => [
  `CREATE TEMP TABLE restore_before ON COMMIT DROP AS ${COUNTERS_SQL}`,
  `CREATE TEMP TABLE restore_written (table_number int, inserts bigint, updates bigint, deletes bigint) ON COMMIT DROP`,
  // triggers, defaults and checks find what they name, as in every other session; the statement itself names all operators
  'SET LOCAL search_path TO DEFAULT',
];

const afterWriting = (input: RestoreScriptInput): string[] => [
  `SELECT pg_catalog.pg_logical_emit_message(true, 'pgtimewarp', ${literal(
    JSON.stringify({ pgtimewarp: { restore: input.mark } }),
  )})`,
  'SET CONSTRAINTS ALL IMMEDIATE',
  OWN_PATH_SQL,
];

/** The whole script as a file. Rows in bulk follow each `loads`, as psql reads them. */
export function scriptParts(input: RestoreScriptInput): Record<'before' | 'after', string> {
  const { inspect, prepare, lock, guard, judge, write, check } = restoreScript(input);
  const header = [
    '\\set ON_ERROR_STOP on',
    `-- Puts back ${input.subject} (restore ${input.id}).`,
    `-- The history was read up to ${input.horizonLsn}. Later changes are found by comparing values.`,
    '-- Run it with: psql -f FILE. It changes all of the rows or nothing.',
  ];
  const text = (statements: readonly string[]): string =>
    statements.map((statement) => `${statement};\n`).join('\n');
  return {
    before: `${header.join('\n')}\n\n${text([...inspect, ...prepare, ...lock])}`,
    after: `\n${text([...guard, ...judge, ...write, ...check, 'COMMIT'])}`,
  };
}

/** The script of a restore without rows in bulk. */
export function scriptText(input: RestoreScriptInput): string {
  const { before, after } = scriptParts(input);
  return before + after;
}

const own = ({ table, now }: TableRestore): string => quoteOwnRows({ ...table, relkind: now.relkind });
const rowsOf = (index: number): string => `pg_temp.restore_rows_${index + 1}`;
const locksOf = (index: number): string => `pg_temp.restore_locks_${index + 1}`;

/** The rows, as values of the table's own row type. */
function loadSql(each: TableRestore, index: number): string[] {
  const { table, rows, retyped } = each;
  const type = quoteTable(table);
  const statements = [
    `CREATE TEMP TABLE restore_rows_${index + 1} (
  n int, pk text, op text, columns text[], defaults text[], reason text, expected ${type}, target ${type}${
    retyped.length === 0 ? '' : ', target_json json'
  }) ON COMMIT DROP`,
    `CREATE TEMP TABLE restore_locks_${index + 1} (n int, leaf oid, place tid) ON COMMIT DROP`,
  ];
  for (let start = 0; start < rows.length; start += CHUNK_ROWS) {
    const values = rows.slice(start, start + CHUNK_ROWS).map((row, offset) => {
      return `  (${start + offset}, ${literal(row.pkText)}, '${row.op}', ${textArray(row.columns)}, ${textArray(row.defaults ?? [])}, ${
        row.conflict === null ? 'NULL' : literal(row.conflict)
      }, ${rowText(row.expected)}, ${rowText(row.target)})`;
    });
    statements.push(`INSERT INTO ${rowsOf(index)}
SELECT v.n, v.pk, v.op, v.columns, v.defaults, v.reason, pg_catalog.json_populate_record(NULL::${type}, v.expected::json),
       pg_catalog.json_populate_record(NULL::${type}, v.target::json)${retyped.length === 0 ? '' : ', v.target::json'}
  FROM (VALUES
${values.join(',\n')}) AS v (n, pk, op, columns, defaults, reason, expected, target)`);
  }
  return [
    ...statements,
    `ANALYZE ${rowsOf(index)}`,
    ...(retyped.length === 0 ? [] : [refuseOtherValuesSql(each, index)]),
  ];
}

const rowText = (members: ReadonlyMap<string, string> | null): string =>
  members === null
    ? 'NULL'
    : literal(`{${[...members].map(([name, value]) => `${quoteJson(name)}:${value}`).join(',')}}`);

/** Every row has its key on the side that it has. */
function keyMatch({ keyColumns }: TableRestore): string {
  return keyColumns
    .map((name) => {
      const column = quoteIdentifier(name);
      return `t.${column} ${EQUALS} CASE WHEN x.op ${EQUALS} 'insert' THEN (x.target).${column} ELSE (x.expected).${column} END`;
    })
    .join(' AND ');
}

function lockRowsSql(each: TableRestore, index: number): string {
  return `INSERT INTO ${locksOf(index)}
SELECT x.n, t.tableoid, t.ctid FROM ${rowsOf(index)} AS x JOIN ${own(each)} AS t ON ${keyMatch(each)} FOR UPDATE OF t`;
}

/** Compared as the text of a row, which has the output of each type and no operator of the database. */
const equal = (side: 'expected' | 'target', name: string): string => {
  const column = quoteIdentifier(name);
  return `ROW(t.${column})::text COLLATE "C" = ROW((x.${side}).${column})::text COLLATE "C"`;
};

function differs(each: TableRestore, side: 'expected' | 'target'): string {
  const ofUpdate = each.updateColumns.map(
    (name) => `(NOT ${literal(name)} = ANY (x.columns) OR ${equal(side, name)})`,
  );
  const defaulted = new Set(each.rows.flatMap(({ defaults = [] }) => defaults));
  const ofRow = each.rowColumns.map((name) =>
    defaulted.has(name) ? `(${literal(name)} = ANY (x.defaults) OR ${equal(side, name)})` : equal(side, name),
  );
  return `NOT CASE WHEN x.op = 'update' THEN ${['true', ...ofUpdate].join(' AND ')} ELSE ${['true', ...ofRow].join(' AND ')} END`;
}

function guardSql(each: TableRestore, index: number, isLocked: boolean): string {
  const shown = [...new Set([...each.keyColumns, ...each.updateColumns, ...each.rowColumns])];
  const keys = textArray(each.keyColumns);
  // of an update the key and the columns that count
  const values = (row: (column: string) => string): string => `(
    SELECT pg_catalog.json_object_agg(v.name, v.value)::text
      FROM unnest(${textArray(shown)}, ARRAY[${shown
        .map((name) => row(quoteIdentifier(name)))
        .map((value) => `CASE WHEN ROW(${value})::text <> '()' THEN pg_catalog.format('%s', ${value}) END`)
        .join(', ')}]::text[]) AS v (name, value)
     WHERE x.op <> 'update' OR v.name = ANY (x.columns) OR v.name = ANY (${keys}))`;
  return `INSERT INTO pg_temp.restore_conflict (table_number, n, schema_name, table_name, pk, reason, expected, found)
SELECT ${index + 1}, f.n, ${literal(each.table.schema)}, ${literal(each.table.name)}, f.pk, f.why, f.expected, f.found
  FROM (
    SELECT x.n, x.pk, CASE
             WHEN x.reason IS NOT NULL THEN x.reason
             WHEN x.op = 'insert' THEN CASE WHEN t.ctid IS NOT NULL THEN 'exists_now' END
             WHEN t.ctid IS NULL THEN 'gone'
             WHEN ${differs(each, 'expected')} THEN 'changed_since'
             ${
               isLocked
                 ? "WHEN (t.tableoid, t.ctid) IS DISTINCT FROM (l.leaf, l.place) THEN 'key_reused' -- another row, after the lock"
                 : ''
             }
           END AS why,
           CASE WHEN x.op <> 'insert' THEN ${values((column) => `(x.expected).${column}`)} END AS expected,
           CASE WHEN t.ctid IS NOT NULL THEN ${values((column) => `t.${column}`)} END AS found
      FROM ${rowsOf(index)} AS x
      LEFT JOIN ${own(each)} AS t ON ${keyMatch(each)}
      LEFT JOIN ${locksOf(index)} AS l ON l.n = x.n) AS f
 WHERE f.why IS NOT NULL`;
}

function raiseConflictsSql(): string {
  return block(`DECLARE
  found text;
  number bigint;
BEGIN
  SELECT pg_catalog.count(*) INTO number FROM pg_temp.restore_conflict;
  IF number > 0 THEN
    SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I %s: %s', f.schema_name, f.table_name, f.pk, f.reason), E'\\n')
      INTO found FROM (SELECT c.* FROM pg_temp.restore_conflict AS c ORDER BY c.table_number, c.n LIMIT 20) AS f;
    RAISE EXCEPTION USING ERRCODE = '${CONFLICT_STATE}', MESSAGE = number || ' rows are no longer what was left there', DETAIL = found;
  END IF;
END`);
}

function leaveOutSql(index: number): string {
  return `DELETE FROM ${rowsOf(index)} AS x USING pg_temp.restore_conflict AS c WHERE c.table_number = ${index + 1} AND c.n = x.n`;
}

/** What this session has written to each table; partitions count as their root. */
const COUNTERS_SQL = `
SELECT r.root, pg_catalog.sum(r.inserts)::bigint AS inserts, pg_catalog.sum(r.updates)::bigint AS updates,
       pg_catalog.sum(r.deletes)::bigint AS deletes, pg_catalog.string_agg(r.file::text, ',' ORDER BY r.leaf) AS files
  FROM (SELECT c.oid AS leaf, pg_catalog.pg_relation_filenode(c.oid) AS file,
               coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)::oid AS root,
               pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserts,
               pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updates,
               pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deletes
          FROM pg_catalog.pg_class AS c
         WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.relnamespace <> 'pg_catalog'::regnamespace) AS r
 GROUP BY r.root`;

/** Each set of columns that rows leave to their defaults; the empty one first. */
function defaultSets({ rows }: TableRestore): (readonly string[])[] {
  const sets = new Map<string, readonly string[]>([['[]', []]]);
  for (const { defaults = [] } of rows) sets.set(JSON.stringify(defaults), defaults);
  return [...sets.values()];
}

const insertName = (index: number, set: number): string => `i${index + 1}_${set + 1}`;

/** All writes in one statement. Deletes come before updates, and updates before inserts, so that unique values are free. */
function writeSql(tables: readonly TableRestore[]): string {
  /** True, after the statements of this letter have run. */
  const after = (letter: string): string =>
    tables
      .map((_, index) => `(SELECT pg_catalog.count(*) FROM ${letter}${index + 1}) IS NOT NULL`)
      .join(' AND ');
  const deletes = tables.map(
    (each, index) => `d${index + 1} AS (
  DELETE FROM ${own(each)} AS t USING ${rowsOf(index)} AS x WHERE x.op ${EQUALS} 'delete' AND ${keyMatch(each)} RETURNING 1)`,
  );
  const updates = tables.map((each, index) => {
    const sets = each.updateColumns.map((name) => {
      const column = quoteIdentifier(name);
      return `${column} = CASE WHEN ${literal(name)} ${EQUALS} ANY (x.columns) THEN (x.target).${column} ELSE t.${column} END`;
    });
    return sets.length === 0
      ? `u${index + 1} AS (SELECT 1 WHERE false)`
      : `u${index + 1} AS (
  UPDATE ${own(each)} AS t SET ${sets.join(', ')}
    FROM ${rowsOf(index)} AS x WHERE x.op ${EQUALS} 'update' AND ${keyMatch(each)} AND ${after('d')} RETURNING 1)`;
  });
  const inserts = tables.flatMap((each, index) =>
    defaultSets(each).map((defaults, set) => {
      const columns = each.rowColumns.filter((name) => !defaults.includes(name)).map(quoteIdentifier);
      return `${insertName(index, set)} AS (
  INSERT INTO ${quoteTable(each.table)} (${columns.join(', ')}) OVERRIDING SYSTEM VALUE
  SELECT ${columns.map((column) => `(x.target).${column}`).join(', ')}
    FROM ${rowsOf(index)} AS x
   WHERE x.op ${EQUALS} 'insert' AND x.defaults ${EQUALS} ${textArray(defaults)} AND ${after('d')} AND ${after('u')} RETURNING 1)`;
    }),
  );
  const removed = tables.flatMap((each, index) =>
    each.removed === null ? [] : [bulkInsertSql(each, index, `${after('d')} AND ${after('u')}`)],
  );
  const rows = tables.map((_, index) => {
    const count = (letter: string): string => `(SELECT pg_catalog.count(*) FROM ${letter}${index + 1})`;
    const names = defaultSets(tables[index]!).map((_set, number) => insertName(index, number));
    if (tables[index]!.removed !== null) names.push(bulkName(index));
    const inserted = names.map((name) => `(SELECT pg_catalog.count(*) FROM ${name})`);
    return `SELECT ${index + 1}, ${inserted.join(` ${PLUS} `)}, ${count('u')}, ${count('d')}`;
  });
  return `WITH ${[...deletes, ...updates, ...inserts, ...removed].join(',\n')}
INSERT INTO pg_temp.restore_written
${rows.join('\nUNION ALL\n')}`;
}

/** Every row is what the plan says, whatever triggers did to it. */
function verifySql(each: TableRestore, index: number): string {
  return block(`DECLARE
  wrong text;
BEGIN
  SELECT pg_catalog.string_agg(f.pk, ', ') INTO wrong FROM (
    SELECT x.pk FROM ${rowsOf(index)} AS x LEFT JOIN ${own(each)} AS t ON ${keyMatch(each)}
     WHERE CASE WHEN x.op = 'delete' THEN t.ctid IS NOT NULL ELSE t.ctid IS NULL OR ${differs(each, 'target')} END
     LIMIT 20) AS f;
  IF wrong IS NOT NULL THEN
    ${refuse(`'not_exact: a trigger made other rows of ' || ${literal(quoteTable(each.table))} || ' than were to be put back (--no-triggers leaves triggers out): ' || wrong`)};
  END IF;
END`);
}

/** Compares what was written to every table with the plan. */
function surplusSql({ tables, trackedOids, noTriggers }: RestoreScriptInput): string {
  const planned = tables.map(
    ({ now, table }, index) => `
    SELECT ${now.oid}::oid AS root, ${literal(quoteTable(table))} AS name,
           pg_catalog.count(*) FILTER (WHERE x.op = 'insert')
             + coalesce((SELECT pg_catalog.sum(b.inserts) FROM pg_temp.restore_bulk AS b WHERE b.table_number = ${index + 1}), 0) AS inserts, pg_catalog.count(*) FILTER (WHERE x.op = 'update') AS updates,
           pg_catalog.count(*) FILTER (WHERE x.op = 'delete') AS deletes FROM ${rowsOf(index)} AS x`,
  );
  const oids = tables.map(({ now }) => `${now.oid}::oid`).join(', ');
  const guarded = [...trackedOids, ...tables.map(({ now }) => now.oid)]
    .map((oid) => `${oid}::oid`)
    .join(', ');
  const hasTriggers = noTriggers ? 'false' : 'EXISTS (SELECT FROM pg_temp.restore_trigger)';
  return block(`DECLARE
  each record;
BEGIN
  FOR each IN
    WITH now AS (${COUNTERS_SQL}),
    planned AS (${planned.join('\n    UNION ALL')})
    SELECT n.root, n.root::regclass::text AS name, n.inserts - coalesce(b.inserts, 0) AS inserts,
           n.updates - coalesce(b.updates, 0) AS updates, n.deletes - coalesce(b.deletes, 0) AS deletes,
           coalesce(p.inserts, 0) AS planned_inserts, coalesce(p.updates, 0) AS planned_updates,
           coalesce(p.deletes, 0) AS planned_deletes,
           n.files IS DISTINCT FROM b.files AS is_truncated, -- which sets the counters back
           n.root IN (${guarded}) OR EXISTS (
             SELECT FROM pg_catalog.pg_constraint AS k
              WHERE k.contype = 'f' AND (k.conrelid = n.root AND k.confrelid IN (${oids}) OR k.confrelid = n.root AND k.conrelid IN (${oids}))) AS is_guarded
      FROM now AS n LEFT JOIN pg_temp.restore_before AS b ON b.root = n.root LEFT JOIN planned AS p ON p.root = n.root
  LOOP
    CONTINUE WHEN NOT each.is_truncated AND (each.inserts, each.updates, each.deletes) = (each.planned_inserts, each.planned_updates, each.planned_deletes);
    IF each.is_guarded OR NOT ${hasTriggers} THEN
      ${refuse(`pg_catalog.format('unplanned_writes: %s: %s rows inserted, %s updated, %s deleted; planned were %s, %s, %s',
        each.name, each.inserts, each.updates, each.deletes, each.planned_inserts, each.planned_updates, each.planned_deletes)`)};
    END IF;
    RAISE WARNING USING MESSAGE = pg_catalog.format('triggers wrote to %s: %s rows inserted, %s updated, %s deleted',
      each.name, each.inserts, each.updates, each.deletes);
  END LOOP;
END`);
}
