/**
 * Random steps over one table: rows, every kind of ALTER that can go by unseen, maintenance, rights, partitions, names and
 * settings. A step is SQL made from the catalog as it is now, so that most of them succeed; what the server refuses is
 * passed over.
 */
import type pg from 'pg';

/** Whole numbers below n, in an order that a seed decides (mulberry32). */
export function randomOf(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}

export interface Place {
  readonly schema: string;
  readonly table: string;
  readonly isPartitioned: boolean;
}

/** Tables to begin with; every name is the place's own, so that many can be in one database. */
export function createSql({ schema: s, table: t, isPartitioned }: Place, shape: number): string {
  const own = `${s}.${t}`;
  const types = `CREATE SCHEMA ${s};
    CREATE TYPE ${s}.mood AS ENUM ('sad', 'ok', 'glad'); CREATE TYPE ${s}.pair AS (a int, b text);
    CREATE DOMAIN ${s}.small AS int; CREATE TABLE ${s}.named (id int);`;
  if (isPartitioned) {
    return `${types} CREATE TABLE ${own} (id int PRIMARY KEY, v text, n int, m ${s}.mood) PARTITION BY RANGE (id);
      CREATE TABLE ${own}_0 PARTITION OF ${own} FOR VALUES FROM (0) TO (10);
      CREATE TABLE ${own}_1 PARTITION OF ${own} FOR VALUES FROM (10) TO (20);
      INSERT INTO ${own} SELECT i, 'v' || i, i, 'ok' FROM generate_series(1, 15, 2) AS i`;
  }
  const columns = [
    `id int PRIMARY KEY, v text, n int, m ${s}.mood, p ${s}.pair, d numeric, b bytea`,
    'id int PRIMARY KEY, n int, k smallint', // no TOAST
    `id int PRIMARY KEY, v varchar(20), n int, x ${s}.small, r regclass, a ${s}.mood[]`,
    `m ${s}.mood PRIMARY KEY, n int, v text`,
    'id bigint PRIMARY KEY, v text, n int, f float8, t timestamptz',
  ][shape % 5]!;
  return `${types} CREATE TABLE ${own} (${columns})`;
}

/** The next step. @param outOf see {@link randomOf} */
export async function nextStep(
  source: pg.Client,
  place: Place,
  outOf: (n: number) => number,
): Promise<string> {
  const { schema: s, table: t } = place;
  const own = `${s}.${t}`;
  const pick = <T>(list: readonly T[]): T => list[outOf(list.length)]!;
  const { rows: columns } = await source.query<{
    name: string;
    type: string;
    key: boolean;
    generated: string;
  }>(
    `SELECT quote_ident(a.attname) AS name, format_type(a.atttypid, NULL) AS type, a.attgenerated::text AS generated,
            coalesce(a.attnum = ANY (i.indkey), false) AS key
       FROM pg_attribute AS a LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
      WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [own],
  );
  const plain = columns.filter((column) => !column.key);
  const key = columns.find((column) => column.key) ?? columns[0];
  const other = plain.length === 0 ? null : pick(plain);
  const value = (type: string): string => {
    if (type.endsWith('[]')) return `'{}'`;
    if (type.includes('mood'))
      return `(SELECT e::text FROM unnest(enum_range(NULL::${s}.mood)) AS e ORDER BY random() LIMIT 1)::${s}.mood`;
    if (type.includes('pair')) return `ROW(${outOf(9)}, 'x')::${s}.pair`;
    if (/int|numeric|double|small/.test(type)) return String(outOf(19));
    if (type === 'bytea') return `'\\x0${outOf(9)}'`;
    if (type === 'regclass') return `'${s}.named'`;
    if (/time/.test(type)) return `'2026-01-0${1 + outOf(9)} 12:00:00+00'`;
    if (/char|text/.test(type)) return outOf(4) === 0 ? `repeat('t${outOf(9)}', 3000)` : `'t${outOf(9)}'`;
    return 'NULL';
  };
  const write = (): string => {
    const settable = columns.filter((column) => column.generated === '');
    const insert = `INSERT INTO ${own} (${settable.map((column) => column.name).join(', ')}) VALUES (${settable.map((column) => value(column.type)).join(', ')}) ON CONFLICT DO NOTHING`;
    const some = `${key?.name}::text IN (SELECT ${key?.name}::text FROM ${own} ORDER BY 1 OFFSET ${outOf(4)} LIMIT ${1 + outOf(3)})`;
    const update =
      other === null || other.generated !== ''
        ? insert
        : `UPDATE ${own} SET ${other.name} = ${value(other.type)} WHERE ${some}`;
    return pick([insert, insert, update, update, update, `DELETE FROM ${own} WHERE ${some}`]);
  };
  const column = other?.name ?? 'nothing';
  const type = other?.type ?? 'int';
  const away = `${t}_away`;
  const steps: (() => string)[] = [
    () => `ALTER TABLE ${own} ADD c${outOf(5)} int`,
    () => `ALTER TABLE ${own} ADD c${outOf(5)} text DEFAULT 'given'`,
    () => `ALTER TABLE ${own} ADD c${outOf(5)} int DEFAULT (random() * 1000)::int`,
    () => `ALTER TABLE ${own} ADD g${outOf(3)} int GENERATED ALWAYS AS (1) STORED`,
    () => `ALTER TABLE ${own} DROP ${column}`,
    () => `ALTER TABLE ${own} RENAME ${column} TO c${outOf(5)}`,
    () =>
      `ALTER TABLE ${own} ALTER ${column} TYPE ${type} USING ${/int/.test(type) ? `${column} + 1` : column}`,
    () => `ALTER TABLE ${own} ALTER ${column} TYPE text USING ${column}::text`,
    () => `ALTER TABLE ${own} ALTER ${column} TYPE bigint USING length(${column}::text)`,
    () => `ALTER TABLE ${own} ALTER ${column} SET DEFAULT NULL`,
    () => `ALTER TABLE ${own} ALTER ${column} SET STATISTICS ${outOf(100)}`,
    () => `ALTER TABLE ${own} ALTER ${column} SET STORAGE ${pick(['PLAIN', 'EXTERNAL', 'EXTENDED'])}`,
    () => `ALTER TABLE ${own} ALTER ${key?.name} TYPE bigint`,
    () => `ALTER TABLE ${own} RENAME ${key?.name} TO k${outOf(3)}`,
    () =>
      `ALTER TABLE ${own} DROP CONSTRAINT ${t}_pkey; ${write()}; ALTER TABLE ${own} ADD CONSTRAINT ${t}_pkey PRIMARY KEY (${key?.name})`,
    () => `ALTER TABLE ${own} REPLICA IDENTITY ${pick(['FULL', 'DEFAULT'])}`,
    () =>
      `ALTER TABLE ${own} REPLICA IDENTITY NOTHING; ${write()}; ALTER TABLE ${own} REPLICA IDENTITY DEFAULT`,
    () => `ALTER TABLE ${own} SET UNLOGGED; ${write()}; ALTER TABLE ${own} SET LOGGED`,
    () => `ALTER TYPE ${s}.mood RENAME VALUE '${pick(['sad', 'ok', 'glad', 'l1', 'l2'])}' TO 'l${outOf(4)}'`,
    () => `ALTER TYPE ${s}.mood ADD VALUE 'new${outOf(4)}'`,
    () => `ALTER TYPE ${s}.pair ADD ATTRIBUTE c${outOf(4)} int`,
    () => `ALTER TYPE ${s}.pair RENAME TO pair2; ALTER TYPE ${s}.pair2 RENAME TO pair`,
    () =>
      `ALTER TABLE ${s}.named RENAME TO named2; ALTER TABLE ${s}.named2 RENAME TO named3; ALTER TABLE ${s}.named3 RENAME TO named2`,
    () => `ALTER TABLE ${s}.named2 RENAME TO named`,
    () =>
      `ALTER TABLE ${own} RENAME TO ${away}; UPDATE ${s}.${away} SET ${column} = ${value(type)}; ALTER TABLE ${s}.${away} RENAME TO ${t}`,
    () =>
      `ALTER SCHEMA ${s} RENAME TO ${s}_away; UPDATE ${s}_away.${t} SET ${column} = NULL; ALTER SCHEMA ${s}_away RENAME TO ${s}`,
    () =>
      `ALTER TABLE ${own} SET SCHEMA public; UPDATE public.${t} SET ${column} = NULL; ALTER TABLE public.${t} SET SCHEMA ${s}`,
    () =>
      `CREATE TABLE ${s}.${away} (LIKE ${own} INCLUDING ALL); INSERT INTO ${s}.${away} SELECT * FROM ${own} LIMIT 2; DROP TABLE ${own}; ALTER TABLE ${s}.${away} RENAME TO ${t}`,
    () => `VACUUM FULL ${own}`,
    () => `CLUSTER ${own} USING ${t}_pkey`,
    () => `REINDEX TABLE CONCURRENTLY ${own}`,
    () => `ANALYZE ${own}`,
    () => `VACUUM ${own}`,
    () => `COMMENT ON TABLE ${own} IS 'c${outOf(9)}'`,
    () => `GRANT SELECT ON ${own} TO PUBLIC`,
    () => `GRANT USAGE ON SCHEMA ${s} TO PUBLIC`,
    () => `ALTER TABLE ${own} SET (fillfactor = ${50 + outOf(50)})`,
    () => `CREATE INDEX ON ${own} (${column})`,
    () => `ALTER TABLE ${own} ENABLE ROW LEVEL SECURITY`,
    () => `TRUNCATE ${own}`,
    () =>
      `BEGIN; ${write()}; ALTER TABLE ${own} DROP ${column}; ALTER TABLE ${own} ADD ${column} int; ${write()}; COMMIT`,
    () => `BEGIN; ${write()}; SAVEPOINT a; ${write()}; ROLLBACK TO a; ${write()}; COMMIT`,
    () =>
      `CREATE DOMAIN ${s}.brief AS int; ALTER TABLE ${own} ADD z ${s}.brief; UPDATE ${own} SET z = 5; ALTER TABLE ${own} DROP z; DROP DOMAIN ${s}.brief`,
    () =>
      `SET bytea_output = ${pick(['hex', 'escape'])}; SET extra_float_digits = ${outOf(3)}; ${write()}; RESET ALL`,
  ];
  if (place.isPartitioned) {
    const range = (place_: number): string => `FOR VALUES FROM (${place_ * 10}) TO (${place_ * 10 + 10})`;
    const leaf = outOf(4);
    steps.push(
      () => `CREATE TABLE ${own}_${leaf} PARTITION OF ${own} ${range(leaf)}`,
      () => `ALTER TABLE ${own} DETACH PARTITION ${own}_${leaf}`,
      () => `ALTER TABLE ${own} ATTACH PARTITION ${own}_${leaf} ${range(leaf)}`,
      () =>
        `ALTER TABLE ${own} DETACH PARTITION ${own}_${leaf}; UPDATE ${own}_${leaf} SET ${column} = NULL; ALTER TABLE ${own} ATTACH PARTITION ${own}_${leaf} ${range(leaf)}`,
      () => `DROP TABLE ${own}_${leaf}`,
      () =>
        `ALTER TABLE ${own}_${leaf} RENAME TO ${t}_x; UPDATE ${own}_x SET ${column} = NULL; ALTER TABLE ${own}_x RENAME TO ${t}_${leaf}`,
      () =>
        `ALTER TABLE ${own}_0 RENAME TO ${t}_x; ALTER TABLE ${own}_1 RENAME TO ${t}_0; ALTER TABLE ${own}_x RENAME TO ${t}_1`,
      () => `TRUNCATE ${own}_${leaf}`,
      () =>
        `BEGIN; CREATE TABLE ${own}_${leaf} (LIKE ${own} INCLUDING ALL); INSERT INTO ${own}_${leaf} (${key?.name}) VALUES (${leaf * 10 + 3}); ALTER TABLE ${own} ATTACH PARTITION ${own}_${leaf} ${range(leaf)}; COMMIT`,
    );
  }
  return outOf(5) < 2 ? write() : pick(steps)();
}
