/** Keys: every spelling that the source considers equal finds the row, and no other spelling does. */
import { randomBytes } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { databaseUrl, dropDatabase } from '../../../cli/servers/databases.ts';
import { poll } from '../../../core/poll.ts';
import { asOf } from '../../../core/query/as-of.ts';
import { NOW } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { init } from '../../../core/setup/init.ts';
import { track } from '../../../core/track.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { runCli } from '../../support/run-cli.ts';
import { serverInfo } from '../../support/server-info.ts';
import { connectForTest } from '../../support/test-client.ts';
import { testDatabases } from '../../support/test-databases.ts';
import { trackedNode } from '../../support/tracked-node.ts';

vi.setConfig({ testTimeout: 180_000 }); // each test tracks a dozen tables

/** Type, the inserted value, and spellings for look-ups: the source decides which are equal. */
const SPELLINGS: readonly (readonly [string, string, readonly string[], readonly string[]])[] = [
  ['numeric', '1.10', ['1.1', '1.10', '001.1000', '11e-1'], ['1.11', '1']],
  ['numeric(6,2)', '0', ['0', '0.00', '-0'], ['0.01']],
  ['citext', 'MÜller', ['müller', 'MÜLLER', 'Müller'], ['muller']],
  ['char(4)', 'ab', ['ab', 'ab  '], ['abc', ' ab']],
  [
    'uuid',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{a0eebc999c0b4ef8bb6d6bb9bd380a11}'],
    [],
  ],
  [
    'timestamptz',
    '2026-01-31 09:41:00+01',
    ['2026-01-31T08:41:00Z', '2026-01-31 10:41:00+02'],
    ['2026-01-31T09:41:00Z'],
  ],
  ['bytea', '\\x00ff', ['\\x00FF', '\\000\\377'], ['\\x00']],
  ['inet', '10.0.0.1/32', ['10.0.0.1', '10.0.0.1/32'], ['10.0.0.1/8']],
  ['double precision', '-0', ['0', '-0', '0.0'], ['1']],
  ['boolean', 'true', ['true', 'T', 'yes', '1'], ['false']],
  ['text', ' a"\\,{}é\u2028', [' a"\\,{}é\u2028'], ['a"\\,{}é']],
];

/** 63 bytes, the longest possible name, in letters of two bytes and more. */
const LONG_NAME = `${'é'.repeat(30)}漢`;
const HOSTILE = [
  'select',
  'a b',
  ' lead',
  'trail ',
  'dot.ted',
  'com,ma',
  `quo'te`,
  'dou"ble',
  'back\\slash',
  'st*ar',
  'tab\tbed',
  LONG_NAME,
];
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `keys through ${plugin}`, () => {
    test('are found under every equal spelling, and under no other', async () => {
      const tables = SPELLINGS.map(
        ([type], index) => `CREATE TABLE k${index} (k ${type} PRIMARY KEY, v int);`,
      );
      await using node = await trackedNode({
        plugin,
        tables: `CREATE EXTENSION citext; ${tables.join('\n')}`,
        track: SPELLINGS.map((_, index) => `k${index}`),
      });
      for (const [index, [type, value]] of SPELLINGS.entries())
        await node.source.query(`INSERT INTO k${index} VALUES ($1::text::${type}, 1)`, [value]);
      await node.catchUp();
      for (const [index, [type, , equal, other]] of SPELLINGS.entries()) {
        const table = { schema: 'public', name: `k${index}` };
        for (const spelling of [...equal, ...other]) {
          const { rows } = await node.source.query<{ same: boolean }>(
            `SELECT EXISTS (SELECT FROM k${index} WHERE k = $1::text::${type}) AS same`,
            [spelling],
          );
          // the result for Ü depends on the locale of the source; everything else is the same everywhere
          if (type !== 'citext') expect(rows[0]!.same, `${type} ${spelling}`).toBe(equal.includes(spelling));
          const { status } = await asOf(node.store, {
            node: node.node,
            table,
            pk: keyFromText(spelling),
            at: NOW,
          });
          expect(status, `${type} ${spelling}`).toBe(rows[0]!.same ? 'found' : 'absent');
        }
      }
    });

    test('hostile names of schema, table, key and column', async () => {
      const table = (name: string): string => `${quote(name)}.${quote(name)}`;
      await using node = await trackedNode({
        plugin,
        tables: HOSTILE.map(
          (name) =>
            `CREATE SCHEMA ${quote(name)}; CREATE TABLE ${table(name)} (${quote(name)} int, ${quote(`${name.slice(0, 20)}2`)} text, PRIMARY KEY (${quote(name)}));`,
        ).join('\n'),
        track: HOSTILE.map(table),
      });
      for (const name of HOSTILE)
        await node.source.query(
          `INSERT INTO ${table(name)} VALUES (1, 'x'); UPDATE ${table(name)} SET ${quote(name)} = 2`,
        );
      await node.catchUp();
      for (const name of HOSTILE) {
        const key = JSON.stringify({ [name]: 2 });
        const answer = await asOf(node.store, {
          node: node.node,
          table: { schema: name, name },
          pk: keyFromText(key),
          at: NOW,
        });
        const { row } = JSON.parse(answer.answerText) as { row: unknown };
        expect(row, name).toEqual({ [name]: 2, [`${name.slice(0, 20)}2`]: 'x' });
      }
      const last = HOSTILE.at(-1)!;
      const cli = await runCli(['asof', table(last), '--pk', `${last}=1`, '--json'], { env: node.env });
      expect([cli.code, cli.json()]).toMatchObject([3, { status: 'absent', reason: 'deleted' }]);
    });

    test('citext of a source with the C locale: É and é are two keys', async () => {
      await using databases = await testDatabases();
      const { adminUrl } = serverInfo();
      const name = `c_locale_${randomBytes(5).toString('hex')}`;
      const admin = await connectForTest(adminUrl);
      try {
        await admin.query(
          `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`,
        );
        const sourceUrl = databaseUrl(adminUrl, name);
        const source = await connectForTest(sourceUrl);
        await source.query(
          `CREATE EXTENSION citext; CREATE TABLE words (w citext PRIMARY KEY, n int); INSERT INTO words VALUES ('École', 1)`,
        );
        const urls = { sourceUrl, storeUrl: databases.storeUrl, node: databases.node };
        const table = { schema: 'public', name: 'words' };
        await init({ ...urls, plugin, slotName: null, version: 'test' });
        await track({ ...urls, table, baseline: true, exclude: [], retention: null });
        await source.query(`INSERT INTO words VALUES ('école', 2), ('Été', 3)`);
        await source.end();
        await poll(urls);
        const rows: unknown[] = [];
        for (const word of ['ÉCOLE', 'éCOLE', 'ÉTé', 'été']) {
          const { answerText } = await asOf(databases.store, {
            node: databases.node,
            table,
            pk: keyFromText(word),
            at: NOW,
          });
          rows.push((JSON.parse(answerText) as { row: unknown }).row);
        }
        expect(rows).toEqual([{ w: 'École', n: 1 }, { w: 'école', n: 2 }, { w: 'Été', n: 3 }, null]);
      } finally {
        await admin.end();
        await dropDatabase(adminUrl, name);
      }
    });
  });
}
