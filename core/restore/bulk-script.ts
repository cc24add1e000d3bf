/**
 * The parts of the script for rows that come back in bulk. They are loaded as the JSON of the history, one row a line, and read as rows of
 * the table when they are compared and inserted. In the usual way they are a part of the one statement that writes everything.
 *
 * The straight way is faster: COPY into the table itself. It is for a restore of nothing but such rows, into one empty table whose
 * triggers do not fire. Then no row can be in conflict, nothing can change a row on its way, and foreign keys are checked when the COPY ends.
 */
import type { Transform } from 'node:stream';
import { quoteIdentifier, quoteOwnRows, quoteTable } from '../pg/identifiers.ts';
import { type CopiedColumn, copyLines } from './copy-lines.ts';
import { type RemovedRows, removedJsonSql } from './removed-rows.ts';
import type { RestoreScriptInput, TableRestore } from './restore-input.ts';
import { block, EQUALS, literal, refuse } from './sql-text.ts';

/** Rows that go from the store to the source. */
export interface BulkLoad {
  /** On the store. */
  readonly from: string;
  /** On the source. */
  readonly into: string;
  readonly count: number;
  /** What the rows pass through on their way. */
  readonly through?: () => Transform;
}

interface Bulk {
  readonly each: TableRestore;
  /** The number of the table. */
  readonly number: number;
  readonly removed: RemovedRows;
}

const bulks = ({ tables }: RestoreScriptInput): Bulk[] =>
  tables.flatMap((each, index) =>
    each.removed === null ? [] : [{ each, number: index + 1, removed: each.removed }],
  );

export const hasBulk = (input: RestoreScriptInput): boolean => bulks(input).length > 0;

const loaded = (number: number): string => `pg_temp.restore_removed_${number}`;
const own = ({ table, now }: TableRestore): string => quoteOwnRows({ ...table, relkind: now.relkind });

/** The loaded rows as rows of the table: place, target. */
const rowsOf = ({ each, number }: Bulk): string =>
  `(SELECT x.ctid AS place, pg_catalog.json_populate_record(NULL::${quoteTable(each.table)}, x.target) AS target FROM ${loaded(number)} AS x OFFSET 0)`;

const keyMatch = ({ keyColumns }: TableRestore): string =>
  keyColumns
    .map(quoteIdentifier)
    .map((column) => `t.${column} ${EQUALS} (x.target).${column}`)
    .join(' AND ');

/** Where the rows of each table are counted. */
export const COUNT_TABLE_SQL =
  'CREATE TEMP TABLE restore_bulk (table_number int, inserts bigint) ON COMMIT DROP';

export const bulkTablesSql = (input: RestoreScriptInput): string[] =>
  bulks(input).map(
    ({ number }) => `CREATE TEMP TABLE restore_removed_${number} (target json) ON COMMIT DROP`,
  );

export const bulkLoads = (input: RestoreScriptInput): BulkLoad[] =>
  bulks(input).map(({ number, removed }) => ({
    from: removedJsonSql(removed),
    into: `COPY ${loaded(number)} (target) FROM STDIN`,
    count: removed.count,
  }));

/** Rows whose keys exist become conflicts. After a TRUNCATE the table is often empty, and there is nothing to look for. */
export const bulkGuardSql = (input: RestoreScriptInput): string[] =>
  bulks(input).map((bulk) => {
    const { each, number } = bulk;
    const object = (names: readonly string[]): string =>
      `(SELECT '{' || pg_catalog.string_agg(pg_catalog.to_json(v.name)::text || ':' || coalesce(pg_catalog.to_json(v.value)::text, 'null'), ',') || '}'
          FROM unnest(ARRAY[${names.map(literal).join(', ')}]::text[], ARRAY[${names
            .map((name) => `t.${quoteIdentifier(name)}`)
            .map(
              (value) => `CASE WHEN ROW(${value})::text <> '()' THEN pg_catalog.format('%s', ${value}) END`,
            )
            .join(', ')}]::text[]) AS v (name, value))`;
    return block(`BEGIN
  IF EXISTS (SELECT FROM ${own(each)}) THEN
    INSERT INTO pg_temp.restore_conflict (table_number, schema_name, table_name, pk, reason, found, place)
    SELECT ${number}, ${literal(each.table.schema)}, ${literal(each.table.name)}, ${object(each.keyColumns)}, 'exists_now', ${object(each.rowColumns)}, x.place
      FROM ${rowsOf(bulk)} AS x JOIN ${own(each)} AS t ON ${keyMatch(each)};
  END IF;
END`);
  });

export const bulkLeaveOutSql = (input: RestoreScriptInput): string[] =>
  bulks(input).map(
    ({ number }) =>
      `DELETE FROM ${loaded(number)} AS x USING pg_temp.restore_conflict AS c WHERE c.table_number = ${number} AND c.place = x.ctid`,
  );

export const bulkCountsSql = (input: RestoreScriptInput): string[] =>
  bulks(input).map(
    ({ number }) =>
      `INSERT INTO pg_temp.restore_bulk SELECT ${number}, pg_catalog.count(*) FROM ${loaded(number)} AS x`,
  );

/** The name of that part of the statement. */
export const bulkName = (index: number): string => `b${index + 1}`;

/** A part of the statement that writes. @param after a condition: what has been written before */
export function bulkInsertSql(each: TableRestore, index: number, after: string): string {
  const columns = each.rowColumns.map(quoteIdentifier);
  return `${bulkName(index)} AS (
  INSERT INTO ${quoteTable(each.table)} (${columns.join(', ')}) OVERRIDING SYSTEM VALUE
  SELECT ${columns.map((column) => `(x.target).${column}`).join(', ')}
    FROM ${rowsOf({ each, number: index + 1, removed: each.removed! })} AS x
   WHERE ${after} RETURNING 1)`;
}

/** If triggers fired, the rows are read again. */
export const bulkVerifySql = (input: RestoreScriptInput): string[] =>
  input.noTriggers
    ? []
    : bulks(input).map((bulk) => {
        const { each } = bulk;
        const row = (of: (column: string) => string): string =>
          `ROW(${each.rowColumns.map(quoteIdentifier).map(of).join(', ')})::text COLLATE "C"`;
        return block(`DECLARE
  wrong bigint;
BEGIN
  IF EXISTS (SELECT FROM pg_temp.restore_trigger) THEN
    SELECT pg_catalog.count(*) INTO wrong
      FROM ${rowsOf(bulk)} AS x LEFT JOIN ${own(each)} AS t ON ${keyMatch(each)}
     WHERE t.ctid IS NULL OR ${row((column) => `t.${column}`)} <> ${row((column) => `(x.target).${column}`)};
    IF wrong > 0 THEN
      ${refuse(`'not_exact: a trigger made other rows of ' || ${literal(quoteTable(each.table))} || ' than were to be put back (--no-triggers leaves triggers out): ' || wrong || ' rows'`)};
    END IF;
  END IF;
END`);
      });

const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802]);

/** What the straight way would load; null: the restore is of other rows too. */
export function straightLoad({ tables }: RestoreScriptInput): BulkLoad | null {
  const [each] = tables;
  if (each === undefined || tables.length > 1 || each.rows.length > 0 || each.removed === null) return null;
  const { names, count } = each.removed;
  const columns = copiedColumns(each, names);
  return {
    from: removedJsonSql(each.removed),
    into: `COPY ${quoteTable(each.table)} (${columns.map(({ name }) => quoteIdentifier(name)).join(', ')}) FROM STDIN`,
    count,
    through: () => copyLines(names, columns),
  };
}

/** In the order of the rows. */
function copiedColumns({ rowColumns, now }: TableRestore, names: readonly string[]): CopiedColumn[] {
  const types = new Map(now.columns.map(({ name, baseTypeOid }) => [name, baseTypeOid]));
  const wanted = new Set(rowColumns);
  const inOrder = new Set([...names.filter((name) => wanted.has(name)), ...rowColumns]);
  return [...inOrder].map((name) => ({ name, isJson: JSON_TYPES.has(types.get(name)!) }));
}

/** A query after the locks: whether the straight way may be gone. Values of arrays and rows have another text in JSON than in COPY. */
export function isStraightSql({ tables, noTriggers }: RestoreScriptInput): string {
  const each = tables[0]!;
  const types = each.now.columns
    .filter(({ name }) => each.rowColumns.includes(name))
    .map(({ baseTypeOid }) => `${baseTypeOid}::oid`);
  return `SELECT NOT EXISTS (SELECT FROM ${own(each)})
   AND (${noTriggers} OR NOT EXISTS (SELECT FROM pg_temp.restore_trigger))
   AND NOT EXISTS (
         SELECT FROM pg_catalog.pg_type AS y
          WHERE y.oid IN (${['0::oid', ...types].join(', ')}) AND (y.typtype NOT IN ('b', 'e', 'r', 'm') OR y.typcategory = 'A' OR y.typelem <> 0 AND y.typlen = -1)) AS is_straight`;
}

/** After the COPY, instead of the statement that writes. @param count the rows that were copied */
export const straightWrittenSql = (count: number): string[] => [
  `INSERT INTO pg_temp.restore_bulk VALUES (1, ${count})`,
  `INSERT INTO pg_temp.restore_written VALUES (1, ${count}, 0, 0)`,
];
