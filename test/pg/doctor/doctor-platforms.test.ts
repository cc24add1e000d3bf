/**
 * If a hosted platform refuses a question, doctor reports that as not known, and its other checks do not change. The test
 * imitates Amazon Aurora: it records which functions and views doctor reads on a server, and refuses each in turn.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Check } from '../../../core/doctor/check.ts';
import { diagnose } from '../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../core/doctor/facts.ts';
import { refuseSameDatabase } from '../../../core/setup/databases.ts';
import { init } from '../../../core/setup/init.ts';
import { refuseUnsuitable } from '../../../core/setup/unsuitable.ts';
import { readSourceFacts } from '../../../core/source/slot/source-facts.ts';
import { isKnownSystem } from '../../../core/types/server-identity.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

/** Functions that every platform has, because sessions and rights do not work without them. */
const EVERYWHERE =
  /^pg_(backend_pid|has_role|size_bytes|get_\w+|(try_)?advisory\w*|logical_slot_peek\w*|terminate_backend|table_is_visible|encoding_to_char|current_snapshot|visible_in_snapshot|snapshot_xm\w+|current_xact_id\w*|is_in_recovery|partition_\w+|(total_)?relation_\w+|lsn|typeof|char_to_encoding|replication_slot_advance|logical_emit_message|relation_filenode|timezone\w*)$/;

let node: TrackedNode;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 1)',
    track: ['t'],
  });
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

async function checks(): Promise<readonly Check[]> {
  return diagnose(await gatherFacts(node)).checks;
}

/** Leaves out figures and transactions of other sessions, which differ from one time to the next. */
const plain = ({ code, status, message }: Check): string =>
  `${status} ${code} ${message
    .replace(/; the transaction of [^)]*\)/, '')
    .replace(/\d+/g, '0')
    .replace(/0 (bytes|kB|MB)/g, '0 bytes')}`;

/** The views and functions of the server that doctor reads, on each side. */
async function asked(): Promise<string[]> {
  const texts: string[] = [];
  const query = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => unknown;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first] = args as [string | { readonly text?: string }];
    texts.push(typeof first === 'string' ? first : (first.text ?? ''));
    return query.apply(this, args);
  } as typeof pg.Client.prototype.query;
  try {
    await checks();
  } finally {
    pg.Client.prototype.query = query as typeof pg.Client.prototype.query;
  }
  const words = new Set(texts.join(' ').match(/\bpg_\w+/g));
  const { rows } = await node.source.query<{ name: string }>(
    `SELECT relname || '' AS name FROM pg_class
      WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'v' AND relname = ANY ($1::text[])
     UNION SELECT proname || '()' FROM pg_proc
      WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND proname = ANY ($1::text[]) ORDER BY 1`,
    [[...words]],
  );
  return rows.map(({ name }) => name).filter((name) => !EVERYWHERE.test(name.replace('()', '')));
}

/** Lets the object raise what Aurora raises (feature_not_supported), in this database. @returns a function that restores it */
async function refuse(session: pg.Client, name: string): Promise<() => Promise<void>> {
  const run = async (...statements: string[]): Promise<void> => {
    await session.query('SET allow_system_table_mods = on');
    for (const each of statements) await session.query(each);
    await session.query('RESET allow_system_table_mods');
  };
  const raise = `BEGIN RAISE EXCEPTION '% is currently not supported for Aurora', '${name}' USING ERRCODE = '0A000'; END`;
  if (name.endsWith('()')) {
    // the server finds its own functions by OID, not by name: a new function takes the name
    const { rows } = await session.query<{ own: string; head: string; arguments: string }>(
      `SELECT format('pg_catalog.%I(%s)', proname, pg_get_function_identity_arguments(oid)) AS own,
              format('CREATE FUNCTION pg_catalog.%I(%s) RETURNS %s', proname, pg_get_function_arguments(oid),
                     pg_get_function_result(oid)) AS head, pg_get_function_identity_arguments(oid) AS arguments
         FROM pg_proc WHERE proname || '()' = $1 AND pronamespace = 'pg_catalog'::regnamespace`,
      [name],
    );
    const away = name.replace('()', '_away');
    for (const { own, head } of rows)
      await run(`ALTER FUNCTION ${own} RENAME TO ${away}`, `${head} LANGUAGE plpgsql AS $$ ${raise} $$`);
    return async () => {
      for (const each of rows)
        await run(
          `DROP FUNCTION ${each.own}`,
          `ALTER FUNCTION pg_catalog.${away}(${each.arguments}) RENAME TO ${name.replace('()', '')}`,
        );
    };
  }
  const { rows } = await session.query<{ was: string; columns: string }>(
    `SELECT pg_get_viewdef(a.attrelid) AS was,
            string_agg(format('public.refused(%L)::text::%s%s AS %I', $1::text, format_type(atttypid, atttypmod),
                              CASE attcollation WHEN 0 THEN '' ELSE ' COLLATE ' || attcollation::regcollation END, attname), ', '
                       ORDER BY attnum) AS columns
       FROM pg_attribute AS a WHERE attrelid = ('pg_catalog.' || $1)::regclass AND attnum > 0 GROUP BY attrelid`,
    [name],
  );
  const { was, columns } = rows[0]!;
  const aside = raise.replace(`'${name}'`, 'what');
  await run(
    `CREATE OR REPLACE FUNCTION public.refused(what text) RETURNS bigint LANGUAGE plpgsql AS $$ ${aside} $$`,
    `CREATE OR REPLACE VIEW pg_catalog.${name} AS SELECT ${columns}`,
  );
  return () => run(`CREATE OR REPLACE VIEW pg_catalog.${name} AS ${was}`);
}

describe.each(['source', 'store'] as const)('of all questions of doctor, the %s', (side) => {
  test('may refuse one after the other; the other checks do not change', async () => {
    const before = await checks();
    const names = await asked();
    expect(names.length).toBeGreaterThan(8);
    const wrong: string[] = [];
    for (const name of names) {
      const restore = await refuse(node[side], name);
      try {
        const after = await checks();
        const known = after.filter(
          ({ message, code }) =>
            code !== 'not_known' && !/not known here|could not be compared/.test(message),
        );
        const missing = before.filter(({ code }) => after.every((each) => each.code !== code));
        wrong.push(...missing.map((check) => `${name} hides ${plain(check)}`));
        const others = known.map(plain).filter((check) => !before.map(plain).includes(check));
        wrong.push(...others.map((check) => `${name} makes ${check}`));
      } finally {
        await restore();
      }
    }
    expect(wrong).toEqual([]);
    expect((await checks()).map(plain).sort()).toEqual(before.map(plain).sort());
  }, 120_000);
});

test('doctor names what Aurora is known to refuse', async () => {
  const undo: (() => Promise<void>)[] = [];
  for (const name of [
    'pg_stat_wal',
    'pg_control_system()',
    'pg_control_checkpoint()',
    'pg_last_wal_replay_lsn()',
  ])
    undo.push(await refuse(node.source, name));
  try {
    const found = await checks();
    const said = found.find(({ code }) => code === 'not_known');
    expect(said).toMatchObject({ status: 'ok', message: expect.stringContaining('pg_stat_wal') });
    expect(said!.message).toContain('pg_control_system()');
    expect(found.find(({ code }) => code === 'wal_keep_size')).toBeDefined();
    expect(found.filter(({ status }) => status !== 'ok')).toEqual([]);
  } finally {
    for (const each of undo) await each();
  }
});

test('a node can be made and followed on a server that does not identify itself', async () => {
  await using other = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE t (id int PRIMARY KEY)',
  });
  const undo = [
    await refuse(other.source, 'pg_control_system()'),
    await refuse(other.source, 'pg_control_checkpoint()'),
    await refuse(other.store, 'pg_control_system()'),
  ];
  const second = { sourceUrl: other.sourceUrl, storeUrl: other.storeUrl, node: `${other.node}_2` };
  await init({ ...second, plugin: 'pgoutput', slotName: null, version: 'test' });
  const facts = await readSourceFacts(other.source, `pgtimewarp_${second.node}`);
  expect(isKnownSystem(facts)).toBe(false);
  await other.track('t');
  await other.source.query('INSERT INTO t VALUES (1)');
  expect(await other.poll()).toMatchObject({ outcome: 'done' });
  await expect(refuseSameDatabase(other.source, other.source)).rejects.toMatchObject({
    code: 'SAME_DATABASE',
  });
  for (const each of undo) await each();
  await init({ ...second, plugin: 'pgoutput', slotName: null, version: 'test' });
});

test('a server that refuses positions while logical replication is off still shows that it is off', async () => {
  const undo = await refuse(node.source, 'pg_current_wal_insert_lsn()');
  try {
    await expect(readSourceFacts(node.source, node.slot)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    const off = {
      query: async (text: string, values: unknown[]) => {
        const result = await node.source.query(
          text.replaceAll(`current_setting('wal_level')`, `'replica'`),
          values,
        );
        return result;
      },
    } as unknown as pg.Client;
    expect(await readSourceFacts(off, node.slot)).toMatchObject({ walLevel: 'replica', insertLsn: 0n });
  } finally {
    await undo();
  }
});

/** The answers of a PostgreSQL 19, which no package has yet: its two settings, in place of those of this server. */
function withLevels(walLevel: string, effectiveWalLevel: string): pg.Client {
  return {
    query: async (text: string, values: unknown[]) => {
      const changed = text
        .replaceAll(`current_setting('wal_level')`, `'${walLevel}'`)
        .replaceAll(`current_setting('effective_wal_level', true)`, `'${effectiveWalLevel}'`);
      return await node.source.query(changed, values);
    },
  } as unknown as pg.Client;
}

test.each([
  ['logical', 'logical', true],
  ['replica', 'logical', true],
  ['replica', 'replica', true], // the first slot raises it
  ['minimal', 'minimal', false],
])('PostgreSQL 19 with wal_level %s, effective_wal_level %s: %s', async (level, effective, fits) => {
  const facts = await readSourceFacts(withLevels(level, effective), node.slot);
  expect(facts).toMatchObject({ walLevel: level, effectiveWalLevel: effective });
  if (fits) refuseUnsuitable(facts);
  else expect(() => refuseUnsuitable(facts)).toThrow(/wal_level = minimal/);
});

test('before PostgreSQL 19 there is no effective level', async () => {
  expect(await readSourceFacts(node.source, node.slot)).toMatchObject({
    walLevel: 'logical',
    effectiveWalLevel: null,
  });
});
