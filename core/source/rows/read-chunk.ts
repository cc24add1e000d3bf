/**
 * Reads existing rows of a table in the order of its key, one statement per chunk. The position that is read AFTER the statement makes
 * the rows usable: a change that the statement did not see has a later commit position, or the log delivers it anyway. (A position read
 * before the snapshot would be wrong: a commit record can be in the log before its transaction is visible.)
 */
import type pg from 'pg';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { RAW_TEXT_TYPES } from '../../pg/connection.ts';
import { formatTableName, quoteIdentifier, quoteOwnRows } from '../../pg/identifiers.ts';
import { quoteJson } from '../../types/json-text.ts';
import { canonicalKey, canonicalKeyValue, keyLengthRefusal } from '../../types/key.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { TypeCatalog } from '../../types/pg-types.ts';
import { isJsonNull, renderText } from '../../types/render-text.ts';
import type { BaselineRow } from '../../types/stored.ts';
import type { TableFacts } from '../catalog/table-facts.ts';
import { readInsertLsn } from '../slot/end-of-wal.ts';
import { keyColumnSql, keyValueSql, withKeyOperators } from './key-operators.ts';

export interface BaselineChunk {
  readonly rows: readonly BaselineRow[];
  /** Key texts of the last row, after which the next chunk begins; null: the chunk has no row. */
  readonly cursor: readonly string[] | null;
  /** The rows can be decided when the store has applied every change up to this position. */
  readonly readPosition: Lsn;
  readonly isLast: boolean;
  /** A numeric or float column with NaN or infinity in one of the rows; null: none. */
  readonly notFinite: string | null;
}

export interface ReadChunkOptions {
  readonly facts: TableFacts;
  readonly keyColumns: readonly string[];
  readonly excludedColumns: readonly string[];
  readonly types: TypeCatalog;
  /** The cursor of the previous chunk; null for the first chunk. */
  readonly cursor: readonly string[] | null;
  readonly limit: number;
}

/**
 * Reads the next chunk. The session must be outside a transaction: every statement has a snapshot of its own. Throws
 * TABLE_CHANGING when the key columns are not in the key of the table: another session has changed it.
 */
export async function readBaselineChunk(
  source: pg.Client,
  options: ReadChunkOptions,
): Promise<BaselineChunk> {
  const { facts, keyColumns, cursor, types } = options;
  if (!keyColumns.every((name) => facts.key.some((column) => column.name === name))) {
    throw new TimewarpError(
      'TABLE_CHANGING',
      `The key of ${formatTableName(facts)} is no longer (${keyColumns.join(', ')}).`,
    );
  }
  const columns = facts.columns.filter(
    // the log does not contain virtual columns: they are computed when read and are not part of the row
    ({ name, generated }) => generated !== 'v' && !options.excludedColumns.includes(name),
  );
  const kinds = columns.map((column) => types(column.typeOid));
  const keyAt = keyColumns.map((name) => columns.findIndex((column) => column.name === name));
  const text = chunkStatement(
    facts,
    keyColumns,
    columns.map((column) => column.name),
    cursor !== null,
    options.limit,
  );
  const values = [...(cursor ?? [])];
  const { rows } = await withKeyOperators(source, facts.key, () =>
    source.query<(string | null)[]>({ text, values, rowMode: 'array', types: RAW_TEXT_TYPES }),
  );
  const readPosition = await readInsertLsn(source);
  const names = columns.map((column) => `${quoteJson(column.name)}:`);
  let notFinite: string | null = null;
  const read = rows.map((row): BaselineRow => {
    let rowData = '{';
    let jsonNulls: string[] | null = null;
    for (let i = 0; i < names.length; i++) {
      const text = row[i] ?? null;
      const fragment = text === null ? 'null' : renderText(kinds[i]!, text);
      if (kinds[i]!.rendering === 'number' && NOT_FINITE.has(fragment)) notFinite ??= columns[i]!.name;
      if (text !== null && isJsonNull(kinds[i]!, text)) jsonNulls = [...(jsonNulls ?? []), columns[i]!.name];
      rowData += i === 0 ? names[i]! + fragment : `,${names[i]}${fragment}`;
    }
    const key = canonicalKey(keyAt.map((at) => canonicalKeyValue(kinds[at]!, row[at]!)));
    const tooLong = keyLengthRefusal(key);
    if (tooLong !== null) throw new TimewarpError('KEY_TOO_LONG', `In ${formatTableName(facts)} ${tooLong}.`);
    return {
      key,
      rowData: `${rowData}}`,
      leafRelid: Number.parseInt(row[names.length]!, 10),
      jsonNulls,
    };
  });
  const last = rows.at(-1);
  return {
    rows: read,
    cursor: last === undefined ? cursor : keyAt.map((at) => last[at]!),
    readPosition,
    isLast: rows.length < options.limit,
    notFinite,
  };
}

/** The texts that {@link renderText} returns for them. */
const NOT_FINITE: ReadonlySet<string> = new Set(['"NaN"', '"Infinity"', '"-Infinity"']);

// biome-ignore lint/complexity/useMaxParams: the parts of one statement
function chunkStatement(
  facts: TableFacts,
  keyColumns: readonly string[],
  columns: readonly string[],
  afterCursor: boolean,
  limit: number,
): string {
  const key = keyColumns.map((name) => facts.key.find((column) => column.name === name)!);
  const parameters = key.map((column, index) => keyValueSql(column, `$${index + 1}::text`));
  const compared = key.map((column) => keyColumnSql(column));
  const list = [...columns.map(quoteIdentifier), 'tableoid'].join(', ');
  const where = afterCursor ? `WHERE (${compared.join(', ')}) > (${parameters.join(', ')})` : '';
  return `SELECT ${list} FROM ${quoteOwnRows(facts)} ${where} ORDER BY ${keyColumns.map(quoteIdentifier).join(', ')} LIMIT ${limit}`;
}
