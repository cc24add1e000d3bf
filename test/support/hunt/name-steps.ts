/** Renaming and renaming back, tables that exchange their names, schemas. */
import type { Moment } from './place.ts';
import type { Steps } from './steps.ts';

export function nameSteps({
  own,
  away,
  schema: s,
  table: t,
  column,
  type,
  outOf,
  pick,
  write,
  value,
  ground,
}: Moment): Steps {
  return [
    [
      'RENAME TO',
      () =>
        `ALTER TABLE ${own} RENAME TO ${away}; UPDATE ${s}.${away} SET ${column} = ${value(type)}; ALTER TABLE ${s}.${away} RENAME TO ${t}`,
    ],
    ['RENAME TO', () => `ALTER TABLE ${own} RENAME TO ${away}`],
    ['RENAME TO', () => `ALTER TABLE ${s}.${away} RENAME TO ${t}`],
    [
      'RENAME TO',
      () =>
        `BEGIN; ${write()}; ALTER TABLE ${own} RENAME TO ${away}; ALTER TABLE ${s}.${away} RENAME TO ${t}; ${write()}; COMMIT`,
    ],
    [
      'SET SCHEMA',
      () =>
        `ALTER TABLE ${own} SET SCHEMA public; UPDATE public.${t} SET ${column} = NULL; ALTER TABLE public.${t} SET SCHEMA ${s}`,
    ],
    [
      'ALTER SCHEMA RENAME TO',
      () =>
        `ALTER SCHEMA ${s} RENAME TO ${s}_away; UPDATE ${s}_away.${t} SET ${column} = NULL; ALTER SCHEMA ${s}_away RENAME TO ${s}`,
    ],
    [
      'ALTER SCHEMA OWNER TO',
      () => `ALTER SCHEMA ${s} OWNER TO ${pick(['CURRENT_USER', ground.owner])}; ${write()}`,
    ],
    [
      'swap',
      () =>
        `CREATE TABLE ${s}.${away} (LIKE ${own} INCLUDING ALL); INSERT INTO ${s}.${away} SELECT * FROM ${own} LIMIT 2; DROP TABLE ${own}; ALTER TABLE ${s}.${away} RENAME TO ${t}`,
    ],
    [
      'swap',
      () =>
        `CREATE TABLE ${s}.${away} (LIKE ${own} INCLUDING ALL); BEGIN; INSERT INTO ${s}.${away} SELECT * FROM ${own} OFFSET 1; ALTER TABLE ${own} RENAME TO ${t}_x; ALTER TABLE ${s}.${away} RENAME TO ${t}; ALTER TABLE ${s}.${t}_x RENAME TO ${away}; COMMIT; ${write()}`,
    ],
    [
      'swap',
      () =>
        `BEGIN; ALTER TABLE ${own} RENAME TO ${t}_x; ALTER TABLE ${s}.${away} RENAME TO ${t}; ALTER TABLE ${s}.${t}_x RENAME TO ${away}; COMMIT; ${write()}`,
    ],
    [
      'swap',
      () =>
        `ALTER TABLE ${own} RENAME TO ${away}; CREATE VIEW ${own} AS SELECT * FROM ${s}.${away}; ${write()}`,
    ],
    ['swap', () => `DROP VIEW ${own}; ALTER TABLE ${s}.${away} RENAME TO ${t}`],
    ['DROP TABLE', () => `DROP TABLE IF EXISTS ${s}.${away}`],
    ['DROP TABLE', () => `CREATE TEMP TABLE ${t} (LIKE ${own}); DROP TABLE pg_temp.${t}`],
    ['CREATE TABLE AS', () => `CREATE TABLE ${s}.copy${outOf(99)} AS SELECT * FROM ${own}`],
    [
      'what regclass names',
      () =>
        `ALTER TABLE ${s}.named RENAME TO named2; ALTER TABLE ${s}.named2 RENAME TO named3; ALTER TABLE ${s}.named3 RENAME TO named2`,
    ],
    ['what regclass names', () => `ALTER TABLE ${s}.named2 RENAME TO named`],
    [
      'what regclass names',
      () => `ALTER TABLE ${s}.named RENAME TO other; ${write()}; ALTER TABLE ${s}.other RENAME TO named`,
    ],
  ];
}
