/**
 * What transactions of the oracle do, as arbitraries: which statements, in which savepoints, and how they end. Statements use a
 * small set of keys, so their rows may or may not exist; nothing here knows the state.
 */
import fc from 'fast-check';
import { quoteIdentifier, quoteTable } from '../../../core/pg/identifiers.ts';
import { columnNames, type OracleColumn, type OracleTable } from './oracle-table.ts';

export type OracleStep =
  | {
      readonly kind: 'sql';
      readonly sql: string;
      /** Needs the tables alone: no other transaction is open meanwhile. */
      readonly alone?: boolean;
      /** Locks whole tables: others may be open meanwhile, but do not commit. */
      readonly holdsCommits?: boolean;
    }
  | { readonly kind: 'savepoint' | 'rollback-to' | 'release' };

export interface OracleTransaction {
  readonly steps: readonly OracleStep[];
  readonly ending: 'commit' | 'rollback' | 'prepare-commit' | 'prepare-rollback';
  /** An error undoes only its statement (a subtransaction), or else the transaction. */
  readonly guarded: boolean;
}

/** The frequency of a kind of step, compared with those of each table (about 40 in all). */
export interface WeightedStep {
  readonly weight: number;
  readonly arbitrary: fc.Arbitrary<OracleStep>;
}

/** Transactions over the tables; `more` adds steps of other kinds (changes of the schema, partitions). */
export function transactions(
  tables: readonly OracleTable[],
  more: readonly WeightedStep[] = [],
): fc.Arbitrary<OracleTransaction> {
  const inTables: WeightedStep[] = tables.map((table) => ({ weight: 8, arbitrary: tableStep(table) }));
  const step = fc.oneof(
    ...inTables,
    { weight: 3, arbitrary: constantStep('savepoint') },
    { weight: 2, arbitrary: constantStep('rollback-to') },
    { weight: 1, arbitrary: constantStep('release') },
    ...more,
  );
  return fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 7, size: 'max' }),
    ending: fc.oneof(
      { weight: 17, arbitrary: fc.constant<OracleTransaction['ending']>('commit') },
      { weight: 1, arbitrary: fc.constant<OracleTransaction['ending']>('rollback') },
      { weight: 2, arbitrary: fc.constant<OracleTransaction['ending']>('prepare-commit') },
      { weight: 1, arbitrary: fc.constant<OracleTransaction['ending']>('prepare-rollback') },
    ),
    guarded: fc.boolean(),
  });
}

/** Statements on one table. */
function tableStep(table: OracleTable): fc.Arbitrary<OracleStep> {
  const name = quoteTable(table);
  const names = columnNames(table).map(quoteIdentifier).join(', ');
  const key = fc.tuple(...table.key.map((column) => column.literal));
  const row = fc.tuple(...[...table.key, ...table.values].map((column) => column.literal));
  const keyList = table.key.map((column) => quoteIdentifier(column.name)).join(', ');
  const where = (values: readonly string[]): string => assignments(table.key, values, ' AND ');
  const setKey = (values: readonly string[]): string => assignments(table.key, values, ', ');
  const insert = row.map((values) => `INSERT INTO ${name} (${names}) VALUES (${values.join(', ')})`);
  const update = fc
    .tuple(someOf(table.values), key)
    .map(([set, k]) => `UPDATE ${name} SET ${set} WHERE ${where(k)}`);
  const remove = key.map((k) => `DELETE FROM ${name} WHERE ${where(k)}`);
  const upsert = fc
    .tuple(insert, someOf(table.values))
    .map(([sql, set]) => `${sql} ON CONFLICT (${keyList}) DO UPDATE SET ${set}`);
  const rekey = fc
    .tuple(key, key)
    .map(([from, to]) => `UPDATE ${name} SET ${setKey(to)} WHERE ${where(from)}`);
  const swap = fc.tuple(key, key).map(([a, b]) => {
    const move = (to: readonly string[], from: readonly string[]): string =>
      `UPDATE ${name} SET ${setKey(to)} WHERE ${where(from)}`;
    return [
      move(table.spareKey, a),
      move(a, b),
      move(b, table.spareKey),
      `DELETE FROM ${name} WHERE ${where(table.spareKey)}`,
    ].join('; ');
  });
  const again = fc
    .tuple(key, someOf(table.values), someOf(table.values), row)
    .map(([k, first, second, values]) => {
      const fresh = [...k, ...values.slice(k.length)];
      return [
        `UPDATE ${name} SET ${first} WHERE ${where(k)}`,
        `DELETE FROM ${name} WHERE ${where(k)}`,
        `INSERT INTO ${name} (${names}) VALUES (${fresh.join(', ')})`,
        `UPDATE ${name} SET ${second} WHERE ${where(k)}`,
      ].join('; ');
    });
  const merge = fc.tuple(row, someOf(table.values)).map(
    ([
      values,
      set,
    ]) => `MERGE INTO ${name} AS t USING (VALUES (1)) AS one ON ${assignments(table.key, values, ' AND ', 't.')}
       WHEN MATCHED THEN UPDATE SET ${set}
       WHEN NOT MATCHED THEN INSERT (${names}) VALUES (${values.join(', ')})`,
  );
  const many = someOf(table.values).map((set) => `UPDATE ${name} SET ${set}`);
  const nothing = fc.constant(`UPDATE ${name} SET ${keyList.split(', ')[0]} = ${keyList.split(', ')[0]}`);
  const truncate = fc.constant(`TRUNCATE ${name} CASCADE`);
  const truncateAndFill = insert.map((sql) => `TRUNCATE ${name} CASCADE; ${sql}`);
  const of = (weight: number, arbitrary: fc.Arbitrary<string>, alone = false): WeightedStep => ({
    weight,
    arbitrary: arbitrary.map((sql): OracleStep => ({ kind: 'sql', sql, alone })),
  });
  return fc.oneof(
    of(20, insert),
    of(12, upsert),
    of(30, update),
    of(6, remove),
    of(6, rekey),
    of(3, swap),
    of(4, again),
    of(5, merge),
    of(2, many),
    of(1, nothing),
    ...(table.neverEmptied ? [] : [of(1, truncate, true), of(1, truncateAndFill, true)]),
  );
}

function constantStep(kind: 'savepoint' | 'rollback-to' | 'release'): fc.Arbitrary<OracleStep> {
  return fc.constant<OracleStep>({ kind });
}

/** Assignments to some of the columns: usually few, so that long values stay unchanged. */
function someOf(columns: readonly OracleColumn[]): fc.Arbitrary<string> {
  return fc
    .subarray([...columns], { minLength: 1, maxLength: Math.min(2, columns.length) })
    .chain((chosen) =>
      fc.tuple(...chosen.map((column) => column.literal)).map((values) => assignments(chosen, values, ', ')),
    );
}

function assignments(
  columns: readonly OracleColumn[],
  values: readonly string[],
  between: string,
  prefix = '',
): string {
  return columns
    .map((column, index) => `${prefix}${quoteIdentifier(column.name)} = ${values[index]}`)
    .join(between);
}
