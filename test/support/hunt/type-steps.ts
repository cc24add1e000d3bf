/** ALTER TYPE, ALTER DOMAIN and ALTER SEQUENCE of types and sequences that the table uses. */
import type { Moment } from './place.ts';
import type { Steps } from './steps.ts';

export function typeSteps(moment: Moment): Steps {
  return [...alterType(moment), ...alterDomain(moment), ...alterSequence(moment)];
}

function alterType({ schema: s, own, outOf, pick, write, ground }: Moment): Steps {
  const name = pick(['mood', 'pair', 'own', 'small']);
  const labels = ['sad', 'ok', 'glad', 'l1', 'l2', 'new1'];
  return [
    ['ALTER TYPE OWNER TO', () => `ALTER TYPE ${s}.${name} OWNER TO ${pick(['CURRENT_USER', ground.owner])}`],
    [
      'ALTER TYPE RENAME TO',
      () => `ALTER TYPE ${s}.${name} RENAME TO x; ALTER TYPE ${s}.x RENAME TO ${name}`,
    ],
    [
      'ALTER TYPE SET SCHEMA',
      () =>
        `ALTER TYPE ${s}.${name} SET SCHEMA public; ALTER TYPE public.${name} SET SCHEMA ${s}; ${write()}`,
    ],
    [
      'ALTER TYPE RENAME ATTRIBUTE',
      () => `ALTER TYPE ${s}.pair RENAME ATTRIBUTE ${pick(['a TO z', 'z TO a'])}; ${write()}`,
    ],
    [
      'ALTER TYPE ADD VALUE',
      () =>
        `ALTER TYPE ${s}.mood ADD VALUE IF NOT EXISTS 'new${outOf(4)}' ${pick(['', `BEFORE 'ok'`])}; ${write()}`,
    ],
    [
      'ALTER TYPE RENAME VALUE',
      () => `ALTER TYPE ${s}.mood RENAME VALUE '${pick(labels)}' TO 'l${outOf(4)}'`,
    ],
    [
      'ALTER TYPE RENAME VALUE',
      () =>
        `ALTER TYPE ${s}.mood RENAME VALUE 'sad' TO 'x'; ${write()}; ALTER TYPE ${s}.mood RENAME VALUE 'x' TO 'sad'`,
    ],
    [
      'ALTER TYPE SET (property)',
      () =>
        `ALTER TYPE ${s}.own SET (STORAGE = ${pick(['plain', 'external', 'extended', 'main'])}); ${write()}`,
    ],
    ['ALTER TYPE ADD ATTRIBUTE', () => `ALTER TYPE ${s}.pair ADD ATTRIBUTE c${outOf(4)} int`],
    [
      'ALTER TYPE DROP ATTRIBUTE',
      () => `ALTER TYPE ${s}.pair DROP ATTRIBUTE IF EXISTS c${outOf(4)}; ${write()}`,
    ],
    [
      'ALTER TYPE DROP ATTRIBUTE',
      () => `ALTER TYPE ${s}.pair DROP ATTRIBUTE b, ADD ATTRIBUTE b text; ${write()}`,
    ],
    ['ALTER TYPE ALTER ATTRIBUTE TYPE', () => `ALTER TYPE ${s}.pair ALTER ATTRIBUTE b TYPE varchar`],
    [
      'DROP TYPE',
      () =>
        `DROP TYPE ${s}.pair CASCADE; CREATE TYPE ${s}.pair AS (a int, b text); ALTER TABLE ${own} ADD p ${s}.pair`,
    ],
  ];
}

function alterDomain({ schema: s, outOf, pick, write, ground }: Moment): Steps {
  const alter = `ALTER DOMAIN ${s}.small`;
  return [
    ['ALTER DOMAIN SET DEFAULT', () => `${alter} SET DEFAULT ${outOf(9)}; ${write()}`],
    ['ALTER DOMAIN DROP DEFAULT', () => `${alter} DROP DEFAULT`],
    ['ALTER DOMAIN SET NOT NULL', () => `${alter} SET NOT NULL; ${write()}`],
    ['ALTER DOMAIN DROP NOT NULL', () => `${alter} DROP NOT NULL`],
    [
      'ALTER DOMAIN ADD CONSTRAINT',
      () =>
        `${alter} ADD CONSTRAINT few CHECK (VALUE < ${10 + outOf(20)}) ${pick(['', 'NOT VALID'])}; ${write()}`,
    ],
    [
      'ALTER DOMAIN VALIDATE CONSTRAINT',
      () =>
        `${alter} ADD CONSTRAINT fair CHECK (VALUE < 1000000) NOT VALID; ${write()}; ${alter} VALIDATE CONSTRAINT fair; ${alter} DROP CONSTRAINT fair`,
    ],
    ['ALTER DOMAIN VALIDATE CONSTRAINT', () => `${alter} VALIDATE CONSTRAINT few`],
    [
      'ALTER DOMAIN RENAME CONSTRAINT',
      () =>
        `${alter} ADD CONSTRAINT new CHECK (VALUE < 1000000); ${alter} RENAME CONSTRAINT new TO newer; ${alter} DROP CONSTRAINT newer`,
    ],
    ['ALTER DOMAIN DROP CONSTRAINT', () => `${alter} DROP CONSTRAINT IF EXISTS few`],
    ['ALTER DOMAIN OWNER TO', () => `${alter} OWNER TO ${pick(['CURRENT_USER', ground.owner])}`],
    [
      'ALTER DOMAIN RENAME TO',
      () => `${alter} RENAME TO smaller; ${write()}; ALTER DOMAIN ${s}.smaller RENAME TO small`,
    ],
    [
      'ALTER DOMAIN SET SCHEMA',
      () => `${alter} SET SCHEMA public; ALTER DOMAIN public.small SET SCHEMA ${s}`,
    ],
  ];
}

function alterSequence({ own, schema: s, outOf, pick, write, key, ground }: Moment): Steps {
  const alter = `ALTER SEQUENCE ${s}.numbers`;
  return [
    [
      'ALTER SEQUENCE',
      () => `${alter} AS bigint INCREMENT ${1 + outOf(5)} CACHE ${1 + outOf(9)} RESTART; ${write()}`,
    ],
    ['ALTER SEQUENCE SET LOGGED', () => `${alter} SET ${pick(['LOGGED', 'UNLOGGED'])}; ${write()}`],
    ['ALTER SEQUENCE OWNED BY', () => `${alter} OWNED BY ${pick(['NONE', `${own}.${key}`])}`],
    ['ALTER SEQUENCE OWNER TO', () => `${alter} OWNER TO ${pick(['CURRENT_USER', ground.owner])}`],
    [
      'ALTER SEQUENCE RENAME TO',
      () => `${alter} RENAME TO other; ${write()}; ALTER SEQUENCE ${s}.other RENAME TO numbers`,
    ],
    [
      'ALTER SEQUENCE SET SCHEMA',
      () => `${alter} SET SCHEMA public; ALTER SEQUENCE public.numbers SET SCHEMA ${s}`,
    ],
  ];
}
