/** Partitions that are added, removed, renamed and exchanged. */
import type { Moment } from './place.ts';
import type { Steps } from './steps.ts';

export function partitionSteps({ own, schema: s, table: t, key, column, outOf, pick, write }: Moment): Steps {
  const range = (of: number): string => `FOR VALUES FROM (${of * 10}) TO (${of * 10 + 10})`;
  const n = outOf(4);
  const leaf = `${own}_${n}`;
  const attach = `ALTER TABLE ${own} ATTACH PARTITION ${leaf} ${range(n)}`;
  const detach = `ALTER TABLE ${own} DETACH PARTITION ${leaf}`;
  return [
    ['CREATE PARTITION', () => `CREATE TABLE ${leaf} PARTITION OF ${own} ${range(n)}; ${write()}`],
    ['CREATE PARTITION', () => `CREATE TABLE ${own}_rest PARTITION OF ${own} DEFAULT; ${write()}`],
    [
      'CREATE PARTITION',
      () =>
        `CREATE TABLE ${leaf} PARTITION OF ${own} ${range(n)} PARTITION BY HASH (${key}); CREATE TABLE ${leaf}_h PARTITION OF ${leaf} FOR VALUES WITH (MODULUS 1, REMAINDER 0); ${write()}`,
    ],
    ['DETACH PARTITION', () => detach],
    ['DETACH PARTITION', () => `${detach}; UPDATE ${leaf} SET ${column} = NULL; ${attach}`],
    ['DETACH PARTITION CONCURRENTLY', () => `${detach} CONCURRENTLY`],
    [
      'DETACH PARTITION CONCURRENTLY',
      () => `${detach} CONCURRENTLY; UPDATE ${leaf} SET ${column} = NULL; ${attach}`,
    ],
    ['ATTACH PARTITION', () => attach],
    [
      'ATTACH PARTITION',
      () =>
        `BEGIN; CREATE TABLE ${leaf} (LIKE ${own} INCLUDING ALL); INSERT INTO ${leaf} (${key}) VALUES (${n * 10 + 3}); ${attach}; COMMIT`,
    ],
    [
      'ATTACH PARTITION',
      () =>
        `CREATE TABLE ${leaf} (LIKE ${own} INCLUDING ALL); INSERT INTO ${leaf} (${key}) VALUES (${n * 10 + 3}); ${attach}; ${write()}`,
    ],
    ['DROP TABLE', () => `DROP TABLE ${leaf}`],
    [
      'RENAME TO',
      () =>
        `ALTER TABLE ${leaf} RENAME TO ${t}_x; UPDATE ${own}_x SET ${column} = NULL; ALTER TABLE ${own}_x RENAME TO ${t}_${n}`,
    ],
    [
      'RENAME TO',
      () =>
        `ALTER TABLE ${own}_0 RENAME TO ${t}_x; ALTER TABLE ${own}_1 RENAME TO ${t}_0; ALTER TABLE ${own}_x RENAME TO ${t}_1`,
    ],
    ['RENAME TO', () => `ALTER TABLE ${leaf} RENAME TO ${t}_old; ${write()}`],
    ['RENAME TO', () => `ALTER TABLE ${own}_old RENAME TO ${t}_${n}`],
    [
      'SET SCHEMA',
      () => `ALTER TABLE ${leaf} SET SCHEMA public; ${write()}; ALTER TABLE public.${t}_${n} SET SCHEMA ${s}`,
    ],
    ['TRUNCATE', () => `TRUNCATE ${leaf}`],
    [
      'swap',
      () =>
        `BEGIN; ${detach}; ALTER TABLE ${leaf} RENAME TO ${t}_x; CREATE TABLE ${leaf} (LIKE ${own} INCLUDING ALL); INSERT INTO ${leaf} SELECT * FROM ${own}_x OFFSET 1; ${attach}; DROP TABLE ${own}_x; COMMIT`,
    ],
    ['VACUUM FULL', () => `VACUUM FULL ${leaf}; ${write()}`],
    ['SET UNLOGGED', () => `ALTER TABLE ${leaf} SET UNLOGGED; ${write()}; ALTER TABLE ${leaf} SET LOGGED`],
    ['SET TABLESPACE', () => `ALTER TABLE ${leaf} SET TABLESPACE pg_default`],
    [
      'REPLICA IDENTITY NOTHING',
      () =>
        `ALTER TABLE ${leaf} REPLICA IDENTITY ${pick(['NOTHING', 'FULL'])}; ${write()}; ALTER TABLE ${leaf} REPLICA IDENTITY DEFAULT`,
    ],
    [
      'ALTER COLUMN TYPE',
      () =>
        `ALTER TABLE ONLY ${own} ALTER ${column} SET DEFAULT NULL; ALTER TABLE ${leaf} ALTER ${column} SET DEFAULT NULL; ${write()}`,
    ],
    ['DISABLE TRIGGER', () => `ALTER TABLE ${leaf} DISABLE TRIGGER ALL; ${write()}`],
    [
      'UPDATE that moves rows',
      () => `UPDATE ${own} SET ${key} = (${key} + 10) % 20 WHERE ${key} % 2 = ${outOf(2)}`,
    ],
  ];
}
