/** The tables of the oracle: together they contain what makes values and keys get lost. */
import fc from 'fast-check';
import * as lit from './literals.ts';
import type { OracleTable } from './oracle-table.ts';

const smallIds = lit.integers(1, 2, 3, 4, 5, 6, 7, 8);

/** A key of two columns, and a column of every difficult kind. */
const items: OracleTable = {
  schema: 'public',
  name: 'items',
  create: `CREATE TABLE public.items (
      region text, id int, note text, big text, blob bytea, n numeric, f float8, doc jsonb, raw json, tags text[],
      at timestamptz, flag boolean, PRIMARY KEY (id, region));
    ALTER TABLE public.items ALTER big SET STORAGE EXTERNAL, ALTER blob SET STORAGE EXTERNAL;`,
  key: [
    { name: 'id', literal: lit.integers(1, 2, 3, 4, 5) },
    { name: 'region', literal: fc.constantFrom(`'eu'`, `'e"u\\'`) },
  ],
  spareKey: ['-1', `'spare'`],
  values: [
    { name: 'note', literal: lit.orNull(lit.strings) },
    { name: 'big', literal: lit.orNull(fc.oneof(lit.longTexts, lit.strings)) },
    { name: 'blob', literal: lit.orNull(lit.longBytes) },
    { name: 'n', literal: lit.orNull(lit.numerics) },
    { name: 'f', literal: lit.orNull(lit.floats) },
    { name: 'doc', literal: lit.orNull(lit.jsonbs) },
    { name: 'raw', literal: lit.orNull(lit.jsons) },
    { name: 'tags', literal: lit.orNull(lit.textArrays) },
    { name: 'at', literal: lit.orNull(lit.instants) },
    { name: 'flag', literal: lit.orNull(lit.booleans) },
  ],
};

/** The same name in another schema; lines refer to it, so TRUNCATE, key updates and deletions cascade. */
const otherItems: OracleTable = {
  schema: 'other',
  name: 'items',
  create: `CREATE SCHEMA other;
    CREATE TABLE other.items (id bigint PRIMARY KEY, note text, big text, amount numeric(12,2) NOT NULL);
    ALTER TABLE other.items ALTER big SET STORAGE EXTERNAL;`,
  key: [{ name: 'id', literal: lit.integers(1, 2, 3, 4, 5, 6) }],
  spareKey: ['-1'],
  values: [
    { name: 'note', literal: lit.orNull(lit.strings) },
    { name: 'big', literal: lit.longTexts },
    { name: 'amount', literal: fc.constantFrom('0', '1.1', '-99.99', '9999999999.99') },
  ],
};

const lines: OracleTable = {
  schema: 'public',
  name: 'lines',
  create: `CREATE TABLE public.lines (
      item bigint REFERENCES other.items ON UPDATE CASCADE ON DELETE CASCADE, no int, note text, PRIMARY KEY (item, no));`,
  key: [
    { name: 'item', literal: lit.integers(1, 2, 3) },
    { name: 'no', literal: lit.integers(1, 2, 3) },
  ],
  spareKey: ['1', '-1'],
  values: [{ name: 'note', literal: lit.strings }],
};

/** REPLICA IDENTITY FULL: the old row contains unchanged values. */
const full: OracleTable = {
  schema: 'public',
  name: 'full_rows',
  create: `CREATE TABLE public.full_rows (id int PRIMARY KEY, big text, note text, doc jsonb);
    ALTER TABLE public.full_rows REPLICA IDENTITY FULL, ALTER big SET STORAGE EXTERNAL;`,
  key: [{ name: 'id', literal: smallIds }],
  spareKey: ['-1'],
  values: [
    { name: 'big', literal: lit.orNull(lit.longTexts) },
    { name: 'note', literal: lit.orNull(lit.strings) },
    { name: 'doc', literal: lit.orNull(lit.jsonbs) },
  ],
};

/** Names that need quotation marks, and a key with several spellings that is long enough to be stored out of line. */
const odd: OracleTable = {
  schema: 'public',
  name: 'O.d,d "t\\a{b} é',
  create: `CREATE TABLE public."O.d,d ""t\\a{b} é" ("k,e""y" numeric, "sel.ect" text, "v\\al" text, PRIMARY KEY ("k,e""y", "sel.ect"));
    ALTER TABLE public."O.d,d ""t\\a{b} é" ALTER "v\\al" SET STORAGE EXTERNAL;`,
  key: [
    {
      name: 'k,e"y',
      literal: fc.constantFrom('1.10', '1.1', '2', '2.000', '-0.0', '0.00'),
      keyText: 'trim_scale(r."k,e""y")::text',
    },
    { name: 'sel.ect', literal: fc.constantFrom(`'a'`, `' a'`, `E'b\\\\\\n"'`, `repeat('k', 2000)`) },
  ],
  spareKey: ['77', `'spare'`],
  values: [{ name: 'v\\al', literal: lit.orNull(fc.oneof(lit.longTexts, lit.strings)) }],
};

/** Numbers that JSON lacks, in columns that cannot be NULL. */
const numbers: OracleTable = {
  schema: 'public',
  name: 'numbers',
  create:
    'CREATE TABLE public.numbers (id smallint PRIMARY KEY, n numeric NOT NULL, f float8 NOT NULL, r real NOT NULL);',
  key: [{ name: 'id', literal: smallIds }],
  spareKey: ['-1'],
  values: [
    { name: 'n', literal: lit.numerics },
    { name: 'f', literal: lit.floats },
    { name: 'r', literal: fc.constantFrom(`'NaN'`, '0', '1e-45', '3.4e38', '0.1', `'-0'`) },
  ],
};

/** A table is created after the tables that it refers to. */
export const ORACLE_TABLES: readonly OracleTable[] = [items, otherItems, lines, full, odd, numbers];
