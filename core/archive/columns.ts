/**
 * The columns of the archive, fixed for ever: every file has all of them under the same field ids. Values of the row stay the JSON
 * text of the store, because typed columns would lose NaN, unbounded numerics and infinite dates.
 *
 * A TRUNCATE is a row too: op T, with an empty key, so it sorts before every key.
 */
import type { SchemaElement } from 'hyparquet';

export type ColumnType = 'string' | 'int' | 'long' | 'timestamptz' | 'boolean';

export interface ArchiveColumn {
  readonly id: number;
  readonly name: string;
  readonly type: ColumnType;
  readonly required: boolean;
}

const required = (id: number, name: string, type: ColumnType): ArchiveColumn => ({
  id,
  name,
  type,
  required: true,
});
const optional = (id: number, name: string, type: ColumnType): ArchiveColumn => ({
  ...required(id, name, type),
  required: false,
});

/** In the order of the file, of the SQL that reads them, and of the checksum. */
export const COLUMNS: readonly ArchiveColumn[] = [
  required(1, 'pk', 'string'),
  required(2, 'valid_from_lsn', 'long'),
  required(3, 'seq', 'int'),
  required(4, 'op', 'string'),
  required(5, 'valid_from_ts', 'timestamptz'),
  optional(6, 'commit_ts', 'timestamptz'),
  optional(7, 'xid', 'long'),
  required(8, 'relation_id', 'int'),
  required(9, 'lsn_space', 'int'),
  optional(10, 'leaf_id', 'int'),
  optional(11, 'read_lsn', 'long'),
  optional(12, 'row_data', 'string'),
  optional(13, 'incomplete', 'string'),
  optional(14, 'json_nulls', 'string'),
  optional(15, 'nulls_assumed', 'boolean'),
  optional(16, 'context', 'string'),
];

/** The place of a column in a row. */
export const AT = { pk: 0, lsn: 1, seq: 2, op: 3, ts: 4, xid: 6, readLsn: 10 } as const;

/** A row as texts, in the order of {@link COLUMNS}: positions as decimal numbers, times as microseconds since 1970, arrays as JSON. */
export type ArchiveRow = readonly (string | null)[];

/** What functions of the store need of a change: functions/archive/archived_changes.sql. */
const CHANGE_COLUMNS = COLUMNS.filter(
  ({ name }) => !['commit_ts', 'relation_id', 'lsn_space', 'context'].includes(name),
);
export const CHANGE_NAMES: readonly string[] = CHANGE_COLUMNS.map(({ name }) => name);

/** A row as the functions of the store take it. */
export function membersOf(row: ArchiveRow): Record<string, string | null> {
  return Object.fromEntries(CHANGE_COLUMNS.map(({ id, name }) => [name, row[id - 1]!]));
}

export type ArchiveValue = string | number | bigint | boolean | null;

/** The value of a text in a file. */
export function toValue(type: ColumnType, text: string | null): ArchiveValue {
  if (text === null) return null;
  switch (type) {
    case 'string':
      return text;
    case 'int':
      return Number.parseInt(text, 10);
    case 'boolean':
      return text === 'true';
    default:
      return BigInt(text);
  }
}

/** The text of a value that was read from a file. */
export function toText(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

/** Field ids lie in the file, where readers of Iceberg look for them (Iceberg specification, "Column Projection"). */
export function parquetSchema(): SchemaElement[] {
  return [
    { name: 'table', num_children: COLUMNS.length },
    ...COLUMNS.map(
      ({ id, name, type, required: isRequired }): SchemaElement => ({
        name,
        field_id: id,
        repetition_type: isRequired ? 'REQUIRED' : 'OPTIONAL',
        ...PARQUET_TYPES[type],
      }),
    ),
  ];
}

const PARQUET_TYPES: Readonly<Record<ColumnType, Partial<SchemaElement>>> = {
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  int: { type: 'INT32' },
  long: { type: 'INT64' },
  boolean: { type: 'BOOLEAN' },
  timestamptz: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MICROS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  },
};

/** The schema of the Iceberg table. */
export function icebergSchema(): object {
  return { type: 'struct', 'schema-id': 0, fields: COLUMNS.map((each) => ({ ...each })) };
}
