/**
 * Which of given keys a table does not hold, in one statement, with the position read after it: a key that is missing
 * and has no change up to there was missing before.
 */
import type pg from 'pg';
import { quoteIdentifier, quoteOwnRows } from '../pg/identifiers.ts';
import { readInsertLsn } from '../slot/end-of-wal.ts';
import type { TableFacts } from '../slot/table-facts.ts';
import { keyTexts } from '../types/key.ts';
import type { Lsn } from '../types/lsn.ts';
import { withKeyOperators } from './key-operators.ts';

export interface MissingKeys {
  /** Indexes into the keys that were asked for. */
  readonly keys: readonly number[];
  readonly readPosition: Lsn;
}

/** Looks the keys up. The session must be outside a transaction. */
export async function readMissingKeys(
  source: pg.Client,
  options: {
    readonly facts: TableFacts;
    readonly keyColumns: readonly string[];
    readonly keys: readonly string[];
    /** OIDs of the partitions that count; null: the table is none of partitions. */
    readonly leaves: readonly number[] | null;
  },
): Promise<MissingKeys> {
  const { facts, keyColumns, keys, leaves } = options;
  if (keys.length === 0) return { keys: [], readPosition: await readInsertLsn(source) };
  const texts = keys.map(keyTexts);
  const names = keyColumns.map((_, index) => `k${index}`);
  const matches = keyColumns.map((column, index) => {
    const type = facts.key.find((each) => each.name === column)!.typeName;
    return `t.${quoteIdentifier(column)} = k.k${index}::${type}`;
  });
  if (leaves !== null) matches.push(`t.tableoid = ANY ($${keyColumns.length + 1}::oid[])`);
  const { rows } = await withKeyOperators(source, facts.key, () =>
    source.query<{ place: string }>(
      `SELECT k.place FROM unnest(${names.map((_, index) => `$${index + 1}::text[]`).join(', ')})
            WITH ORDINALITY AS k (${names.join(', ')}, place)
      WHERE NOT EXISTS (SELECT FROM ${quoteOwnRows(facts)} AS t WHERE ${matches.join(' AND ')})`,
      [
        ...keyColumns.map((_, index) => texts.map((key) => key[index]!)),
        ...(leaves === null ? [] : [leaves]),
      ],
    ),
  );
  const readPosition = await readInsertLsn(source);
  return { keys: rows.map((row) => Number.parseInt(row.place, 10) - 1), readPosition };
}
