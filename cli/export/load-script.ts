/**
 * The SQL that loads an export into an empty database: tables with the columns, types and keys that the history knows, then the files by
 * psql's \copy, in one transaction.
 *
 * A type that every server has is kept. A domain becomes its base type; any other type of the user, of an extension, or whose
 * values name objects of the source (regclass and similar) becomes text, so that the script needs nothing but tables.
 */
import { quoteIdentifier, quoteTable, type TableName } from '../../core/pg/identifiers.ts';
import type { TableColumn } from '../../core/query/table-columns.ts';
import { hasShape, type TypeKind } from '../../core/types/pg-types.ts';

export interface ExportedTable {
  readonly table: TableName;
  /** In the folder of the script. */
  readonly file: string;
  readonly columns: readonly TableColumn[];
  readonly keyColumns: readonly string[];
}

/** @param about a line for the head of the script */
export function loadScript(about: string, tables: readonly ExportedTable[]): string {
  const schemas = [...new Set(tables.map(({ table }) => table.schema))];
  return [
    `-- ${about.replace(/\s+/g, ' ')}`,
    '-- Run it in this folder: psql -d EMPTY_DATABASE -f load.sql',
    '\\set ON_ERROR_STOP on',
    '\\encoding UTF8',
    "SET datestyle = 'ISO, YMD';",
    "SET intervalstyle = 'postgres';",
    'BEGIN;',
    ...schemas.map((schema) => `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)};`),
    ...tables.map(createTable),
    ...tables.map(copyFile),
    ...tables.map(
      ({ table, keyColumns }) =>
        `ALTER TABLE ${quoteTable(table)} ADD PRIMARY KEY (${keyColumns.map(quoteIdentifier).join(', ')});`,
    ),
    'COMMIT;',
    'ANALYZE;',
    '',
  ].join('\n');
}

/** \copy must be one line. A table whose name has several lines is loaded by way of another one. */
function copyFile({ table, file }: ExportedTable): string {
  const name = quoteTable(table);
  const copyInto = (target: string): string => `\\copy ${target} from '${file}' with (format csv, header)`;
  if (!/[\r\n]/.test(name)) return copyInto(name);
  return [
    `CREATE TEMPORARY TABLE one_line (LIKE ${name});`,
    copyInto('pg_temp.one_line'),
    `INSERT INTO ${name} TABLE pg_temp.one_line;`,
    'DROP TABLE pg_temp.one_line;',
  ].join('\n');
}

function createTable({ table, columns }: ExportedTable): string {
  const lines = columns.map((column) => `  ${quoteIdentifier(column.name)} ${scratchType(column)}`);
  return `CREATE TABLE ${quoteTable(table)} (\n${lines.join(',\n')}\n);`;
}

/** Kinds that are no name of a type. */
const NAMELESS = new Set([
  'array',
  'enum',
  'composite',
  'range',
  'other',
  'unknown',
  'citext',
  'citext_ascii',
]);

export function scratchType({ typeOid, typeName, kind }: TableColumn): string {
  if (!hasShape(typeOid)) return typeName;
  if (kind.name !== 'array') return baseName(kind);
  return kind.element === null ? 'text' : `${baseName(kind.element)}[]`;
}

function baseName({ name }: TypeKind): string {
  return NAMELESS.has(name) ? 'text' : `pg_catalog.${quoteIdentifier(name)}`;
}
