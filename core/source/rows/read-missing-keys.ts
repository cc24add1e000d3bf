/**
 * Finds which of the given keys a table does not have, in one statement, and reads the position after it. If a key is missing and has no
 * change up to that position, it was missing before.
 */
import type pg from 'pg';
import { sqlState } from '../../pg/database-error.ts';
import { quoteOwnRows } from '../../pg/identifiers.ts';
import { keyTexts } from '../../types/key.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { TableFacts } from '../catalog/table-facts.ts';
import { readInsertLsn } from '../slot/end-of-wal.ts';
import { keyColumnSql, keyValueSql, withKeyOperators } from './key-operators.ts';

export interface MissingKeys {
  /** Indexes into the given keys. */
  readonly keys: readonly number[];
  readonly readPosition: Lsn;
}

/**
 * Looks up the keys. If a text is not, or no longer, a value of the key type, its row is gone. The session must be outside a transaction.
 */
export async function readMissingKeys(source: pg.Client, options: MissingKeysOptions): Promise<MissingKeys> {
  const { keys } = options;
  const missing = await lookUp(
    source,
    options,
    keys.map((key, index) => ({ index, texts: keyTexts(key) })),
  );
  return { keys: missing, readPosition: await readInsertLsn(source) };
}

interface MissingKeysOptions {
  readonly facts: TableFacts;
  readonly keyColumns: readonly string[];
  readonly keys: readonly string[];
  /** OIDs of the leaves that count; null: the table is not partitioned. */
  readonly leaves: readonly number[] | null;
}

interface AskedKey {
  readonly index: number;
  readonly texts: readonly string[];
}

/** SQLSTATE class of text that the input function of a type refuses. */
const DATA_EXCEPTION = '22';

/** Halves the keys when the server refuses them, until the wrong text is alone. */
async function lookUp(
  source: pg.Client,
  options: MissingKeysOptions,
  asked: readonly AskedKey[],
): Promise<number[]> {
  if (asked.length === 0) return [];
  try {
    return await lookUpAtOnce(source, options, asked);
  } catch (error) {
    if (sqlState(error)?.slice(0, 2) !== DATA_EXCEPTION) throw error;
    if (asked.length === 1) return [asked[0]!.index];
    const middle = asked.length >> 1;
    const first = await lookUp(source, options, asked.slice(0, middle));
    return [...first, ...(await lookUp(source, options, asked.slice(middle)))];
  }
}

async function lookUpAtOnce(
  source: pg.Client,
  { facts, keyColumns, leaves }: MissingKeysOptions,
  asked: readonly AskedKey[],
): Promise<number[]> {
  const names = keyColumns.map((_, index) => `k${index}`);
  const matches = keyColumns.map((column, index) => {
    const key = facts.key.find((each) => each.name === column)!;
    const text = `k.k${index}`;
    const value =
      key.kind.name === 'enum' // otherwise each renamed label would be refused, one by one
        ? `(SELECT e FROM unnest(enum_range(NULL::${key.plainType})) AS e WHERE e::text = ${text})`
        : keyValueSql(key, text);
    return `${keyColumnSql(key, 't.')} = ${value}`;
  });
  if (leaves !== null) matches.push(`t.tableoid = ANY ($${keyColumns.length + 1}::oid[])`);
  const { rows } = await withKeyOperators(source, facts.key, () =>
    source.query<{ place: string }>(
      `SELECT k.place FROM unnest(${names.map((_, index) => `$${index + 1}::text[]`).join(', ')})
            WITH ORDINALITY AS k (${names.join(', ')}, place)
      WHERE NOT EXISTS (SELECT FROM ${quoteOwnRows(facts)} AS t WHERE ${matches.join(' AND ')})`,
      [
        ...keyColumns.map((_, index) => asked.map(({ texts }) => texts[index]!)),
        ...(leaves === null ? [] : [leaves]),
      ],
    ),
  );
  return rows.map((row) => asked[Number.parseInt(row.place, 10) - 1]!.index);
}
