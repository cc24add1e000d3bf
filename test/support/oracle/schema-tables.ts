/**
 * Tables whose shape changes while they are written to: columns, partitions, the tables themselves. A statement whose effect
 * the log does not contain adds a note to `oracle_silent` in its own transaction, so the note exists exactly when the change
 * does. Statements do not know the state; those that do not fit fail.
 */
import fc from 'fast-check';
import type { OracleTable } from './oracle-table.ts';
import type { OracleStep, WeightedStep } from './workload.ts';

const texts = fc.constantFrom(`'a'`, `'b'`, `'c'`, `'dd'`, 'NULL');
const numbers = fc.constantFrom('0', '1', '2', '33', 'NULL');
const values = [
  { name: 'v', literal: texts },
  { name: 'n', literal: numbers },
];
const oneOf = (...ids: number[]) => fc.constantFrom(...ids.map(String));

/** The row with the key `from + UNTOUCHED` of a partition that is attached with rows: no statement changes it. */
const UNTOUCHED = 5;
/** The first keys of partitions that are attached with rows. */
const ATTACHED = [40, 50, 60, 70];
/** The first keys of partitions that are attached empty. */
const EMPTY = [80, 90];
/** Columns that are added with a default stay: one that is added and dropped between two runs leaves no trace. */
const ONCE = [1, 2, 3];

const parted: OracleTable = {
  schema: 'public',
  name: 'parted',
  create: `CREATE TABLE parted (region text, id int, v varchar(20), n int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
    CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
    CREATE TABLE parted_us PARTITION OF parted FOR VALUES IN ('us') PARTITION BY RANGE (id);
    CREATE TABLE parted_us1 PARTITION OF parted_us FOR VALUES FROM (0) TO (10);
    CREATE TABLE parted_us2 PARTITION OF parted_us FOR VALUES FROM (10) TO (20);`,
  key: [
    { name: 'region', literal: fc.constantFrom(`'eu'`, `'us'`, `'us'`, `'as'`) },
    { name: 'id', literal: oneOf(1, 2, 11, 12) },
  ],
  spareKey: [`'us'`, '9'],
  values,
};

const ranged: OracleTable = {
  schema: 'public',
  name: 'ranged',
  create: `CREATE TABLE ranged (id int PRIMARY KEY, v varchar(20), n int) PARTITION BY RANGE (id);
    ${[0, 10, 20, 30].map((from) => `CREATE TABLE ranged_${from} PARTITION OF ranged FOR VALUES FROM (${from}) TO (${from + 10});`).join('\n')}
    ${[...ATTACHED, ...EMPTY].map((from) => `CREATE TABLE ranged_${from} (LIKE ranged INCLUDING ALL);`).join('\n')}
    ${ATTACHED.map((from) => `INSERT INTO ranged_${from} VALUES (${from + 1}, 'came', 1), (${from + UNTOUCHED}, 'along', 2);`).join('\n')}`,
  key: [{ name: 'id', literal: oneOf(1, 2, 11, 12, 21, 31, 32, 41, 42, 51, 52, 61, 71, 81, 91, 92) }],
  spareKey: ['9'],
  values,
  // a partition that is attached with rows and emptied before the next run leaves no trace
  neverEmptied: true,
};

const plain: OracleTable = {
  schema: 'public',
  name: 'plain',
  create: 'CREATE TABLE plain (id int PRIMARY KEY, v varchar(20), n int);',
  key: [{ name: 'id', literal: oneOf(1, 2, 3, 4, 5, 6) }],
  spareKey: ['-1'],
  values,
};

const remade: OracleTable = { ...plain, name: 'remade', create: plain.create.replace('plain', 'remade') };

/** Only its rows change. */
const steady: OracleTable = { ...plain, name: 'steady', create: plain.create.replace('plain', 'steady') };

export const SCHEMA_TABLES: readonly OracleTable[] = [parted, ranged, plain, remade, steady];
const PARTED = 0;
const RANGED = 1;
const PLAIN = 2;
const REMADE = 3;

/**
 * Places of the rows of {@link STATE_SQL} that are not rows of tables: notes, and columns (`name:attnum`) and files of each
 * table.
 */
export const COLUMNS_PLACE = 97;
export const SILENT_PLACE = 98;
export const FILES_PLACE = 99;

/** Everything that a source needs for this oracle. A row's text begins with the transaction that wrote it last. */
export const SCHEMA_ORACLE_SQL = `
  CREATE TABLE oracle_silent (no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, place int, what text);
  CREATE TABLE oracle_once (what text PRIMARY KEY);
  CREATE FUNCTION oracle_state() RETURNS TABLE (place int, key text, row_text text) LANGUAGE plpgsql AS $$
  DECLARE
    t record;
  BEGIN
    FOR t IN SELECT * FROM (VALUES ${SCHEMA_TABLES.map(({ name, key }, place) => `(${place}, '${name}', '${key.map((column) => `r.${column.name}::text`).join(', ')}')`).join(', ')}) AS t (place, name, key)
    LOOP
      CONTINUE WHEN to_regclass(t.name) IS NULL;
      RETURN QUERY EXECUTE format(
        'SELECT %s, array_to_json(ARRAY[%s])::text, r.xmin || '' '' || to_json(r)::text FROM %I AS r', t.place, t.key, t.name);
      RETURN QUERY SELECT ${COLUMNS_PLACE}, t.place::text, string_agg(a.attname || ':' || a.attnum, ' ' ORDER BY a.attnum)
                     FROM pg_attribute AS a WHERE a.attrelid = t.name::regclass AND a.attnum > 0 AND NOT a.attisdropped;
      RETURN QUERY SELECT ${FILES_PLACE}, t.place::text, string_agg(pg_relation_filenode(l.oid)::text, ' ' ORDER BY l.oid)
                     FROM pg_class AS l WHERE l.oid IN (SELECT relid FROM pg_partition_tree(t.name::regclass) UNION ALL SELECT t.name::regclass);
    END LOOP;
    RETURN QUERY SELECT ${SILENT_PLACE}, s.no::text, s.place || ' ' || s.what FROM oracle_silent AS s;
  END $$;`;

export const STATE_SQL = 'SELECT place, key, row_text FROM oracle_state()';

/** Steps that the log contains, or that need no entry in it. */
const HARMLESS: readonly (readonly [table: number, sql: string])[] = [
  ...[PARTED, PLAIN].flatMap((table): (readonly [number, string])[] => [
    [table, 'ALTER TABLE $ DROP x'],
    [table, 'ALTER TABLE $ DROP y'],
  ]),
  [PARTED, `CREATE TABLE parted_as PARTITION OF parted FOR VALUES IN ('as')`],
  [PARTED, 'TRUNCATE parted_us'],
  [PARTED, 'TRUNCATE parted_us2'],
  ...EMPTY.map((from) => [RANGED, attach(from)] as const),
  [RANGED, 'TRUNCATE ranged_10'],
  [RANGED, 'TRUNCATE ranged_30; INSERT INTO ranged VALUES (31, $$again$$, 1)'],
];

/** Steps like these that look like a rewrite if the table also gets another file (TRUNCATE). */
const DESCRIBED: readonly (readonly [table: number, sql: string])[] = [
  ...[PARTED, PLAIN].flatMap((table): (readonly [number, string])[] => [
    [table, 'ALTER TABLE $ ADD x text'],
    [table, 'ALTER TABLE $ ADD y int'],
  ]),
  [PLAIN, 'ALTER TABLE $ RENAME x TO y'],
  [PLAIN, 'ALTER TABLE $ RENAME y TO x'],
  [PLAIN, 'ALTER TABLE $ ALTER v TYPE text'],
  [PLAIN, 'ALTER TABLE $ ALTER n SET DEFAULT 7'],
  [PARTED, 'ALTER TABLE $ RENAME x TO y'],
];

/** Steps that the log does not contain. */
const SILENT: readonly (readonly [table: number, sql: string])[] = [
  [PARTED, 'ALTER TABLE $ ALTER n TYPE int USING n + 1000'],
  ...ONCE.map((no) => [PARTED, `ALTER TABLE $ ADD d${no} int DEFAULT 7`] as const),
  [PARTED, `INSERT INTO oracle_once VALUES ('eu'); ALTER TABLE parted DETACH PARTITION parted_eu`],
  [PARTED, `ALTER TABLE parted ATTACH PARTITION parted_eu FOR VALUES IN ('eu')`],
  [RANGED, 'ALTER TABLE ranged DETACH PARTITION ranged_0'],
  [RANGED, 'DROP TABLE ranged_10'],
  [RANGED, `ALTER TABLE ranged ALTER n TYPE int USING n + 1000`],
  [PLAIN, `ALTER TABLE $ ALTER n TYPE text USING n || '!'`],
  [PLAIN, 'ALTER TABLE $ ALTER n TYPE int USING length(n::text)'],
  ...ONCE.map((no) => [PLAIN, `ALTER TABLE $ ADD d${no} int DEFAULT 7`] as const),
  ...ONCE.map((no) => [PLAIN, `ALTER TABLE $ ADD e${no} text DEFAULT md5(random()::text)`] as const),
  [REMADE, `DROP TABLE remade; ${remade.create} INSERT INTO remade VALUES (1, 'new', 1), (6, 'new', 2)`],
  [REMADE, 'ALTER TABLE remade RENAME TO remade_away'],
  [REMADE, 'ALTER TABLE remade_away RENAME TO remade'],
  [REMADE, 'ALTER TABLE remade_away RENAME TO remade'],
];

/** Partitions that are renamed: wal2json loses changes under a name that no run has seen. */
const NAMED: readonly (readonly [table: number, sql: string])[] = [
  [PARTED, 'ALTER TABLE parted_us2 RENAME TO parted_us_second'],
  [RANGED, 'ALTER TABLE ranged_20 RENAME TO ranged_twenty'],
];

/** The same for partitions that come with rows. */
const ATTACHING = ATTACHED.map((from) => [RANGED, attach(from)] as const);

/** Steps that change the tables, and steps that write to the changed parts. */
export function schemaSteps(): WeightedStep[] {
  return [
    {
      weight: 3,
      arbitrary: fc.constantFrom(...HARMLESS.map(([place, sql]) => named(place, sql))).chain(locking),
    },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom(...DESCRIBED.map(([place, sql]) => noted(place, 'described', sql)))
        .chain(locking),
    },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom(
          ...SILENT.map(([place, sql]) => noted(place, 'silent', sql)),
          ...ATTACHING.map(([place, sql]) => noted(place, 'attached', sql)),
          ...NAMED.map(([place, sql]) => noted(place, 'named', sql)),
        )
        .chain(locking),
    },
    {
      weight: 6,
      arbitrary: fc.tuple(fc.constantFrom('x', 'y'), fc.constantFrom('parted', 'plain'), oneOf(1, 2, 11)).map(
        ([column, table, id]): OracleStep => ({
          kind: 'sql',
          sql: `UPDATE ${table} SET ${column} = '5${id}' WHERE id <= ${id}`,
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: oneOf(1, 2, 3).map(
        (id): OracleStep => ({ kind: 'sql', sql: `UPDATE remade_away SET v = 'unseen' WHERE id = ${id}` }),
      ),
    },
  ];
}

function attach(from: number): string {
  return `ALTER TABLE ranged ATTACH PARTITION ranged_${from} FOR VALUES FROM (${from}) TO (${from + 10})`;
}

function noted(place: number, what: string, sql: string): string {
  return `${named(place, sql)}; INSERT INTO oracle_silent (place, what) VALUES (${place}, '${what}')`;
}

function named(place: number, sql: string): string {
  return sql.replaceAll('$ ', `${SCHEMA_TABLES[place]!.name} `);
}

function locking(sql: string): fc.Arbitrary<OracleStep> {
  return fc
    .boolean()
    .map((alone): OracleStep => ({ kind: 'sql', sql, ...(alone ? { alone } : { holdsCommits: true }) }));
}
