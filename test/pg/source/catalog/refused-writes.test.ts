/**
 * The server refuses UPDATE and DELETE on a published table if the publication cannot show its old rows. No application fails
 * because of that: such a table is refused before it is published, and a table that gets into this state later accepts writes
 * from the next run on. Tested on the server of this run and on PostgreSQL 18, which refuses more.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findEmbeddedBinaries } from '../../../../cli/servers/find-binaries.ts';
import { type LocalServer, startServer } from '../../../../cli/servers/start-server.ts';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { parseTablePattern } from '../../../../core/pg/table-pattern.ts';
import { poll } from '../../../../core/poll.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { rebaselineNode } from '../../../../core/rebaseline-node.ts';
import { readTableFacts } from '../../../../core/source/catalog/table-facts.ts';
import { whyNotTrackable } from '../../../../core/source/catalog/trackable.ts';
import { track } from '../../../../core/track.ts';
import { trackMatching } from '../../../../core/track-matching.ts';
import { mendTheRest, pasteRemedy, troubles, verdicts } from '../../../support/doctored.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { now, relation, runAll, sameAsLive, urls } from '../../../support/node-questions.ts';
import { needOf } from '../../../support/plugins.ts';
import { type TrackedNode, type TrackedNodeOptions, trackedNode } from '../../../support/tracked-node.ts';

const newest = (await findEmbeddedBinaries())[0];

const ROWS = 'INSERT INTO t (id, a) VALUES (1, 1), (2, 2), (3, 3)';
const PLAIN = `CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL); ${ROWS}`;
const VIRTUAL = `CREATE TABLE t (id int PRIMARY KEY, a int, v int GENERATED ALWAYS AS (a * 3) VIRTUAL); ${ROWS}`;
const STORED = `CREATE TABLE t (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a * 3) STORED); ${ROWS}`;
const GENERATED_KEY = `CREATE TABLE t (id int GENERATED ALWAYS AS (a + 0) STORED PRIMARY KEY, a int, x text);
                       INSERT INTO t (a) VALUES (1), (2), (3)`;
const PARTITIONED = (more = ''): string =>
  `CREATE TABLE t (id int PRIMARY KEY, a int ${more}) PARTITION BY RANGE (id);
   CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (3); CREATE TABLE t_2 PARTITION OF t DEFAULT; ${ROWS}`;
const FULL = 'ALTER TABLE t REPLICA IDENTITY FULL';

interface Server {
  readonly name: string;
  readonly is18: boolean;
  readonly own: () => Promise<LocalServer | null>;
}

const SERVERS: readonly Server[] = [
  { name: 'the server of this run', is18: false, own: async () => null },
  { name: 'PostgreSQL 18', is18: true, own: async () => startServer({ binaries: newest! }) },
];

/** The error of the server for an UPDATE and a DELETE of one row, which are rolled back; null if it accepts them. */
async function refusal({ source }: TrackedNode, table = 't'): Promise<string | null> {
  let said: string | null = null;
  for (const write of [`UPDATE ${table} SET a = a`, `DELETE FROM ${table}`]) {
    await source.query('BEGIN');
    await source
      .query(`${write} WHERE id = (SELECT max(id) FROM ${table})`)
      .catch((error: Error & { code: string }) => {
        said ??= error.code;
      });
    await source.query('ROLLBACK');
  }
  return said;
}

async function published({ source, publication }: TrackedNode): Promise<string[]> {
  const { rows } = await source.query<{ name: string }>(
    'SELECT tablename AS name FROM pg_publication_tables WHERE pubname = $1 ORDER BY 1',
    [publication],
  );
  return rows.map(({ name }) => name);
}

async function runs(node: TrackedNode, count: number): Promise<void> {
  for (let run = 0; run < count; run++) await node.poll();
}

for (const { name, is18, own } of SERVERS) {
  const need = { what: name, met: !is18 || newest !== undefined, remedy: 'npm ci' };
  describeNeeding(need, `writes that the server refuses, ${name}`, () => {
    let server: LocalServer | null = null;
    beforeAll(async () => {
      server = await own();
    }, 60_000);
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
    });

    /** Columns that the log does not contain. */
    const UNTOLD = is18 ? ['v'] : ['v', 'g'];

    const made = (options: Partial<TrackedNodeOptions>): Promise<TrackedNode> =>
      trackedNode({
        plugin: 'pgoutput',
        ...options,
        ...(server === null ? {} : { adminUrl: server.url(), store: 'empty' }),
      });

    describe('track', () => {
      const refused: readonly (readonly [what: string, tables: string, why: RegExp])[] = is18
        ? [
            ['a virtual column and FULL', `${VIRTUAL}; ${FULL}`, /FULL.*virtual generated column "?v"?/],
            [
              'a partition with FULL',
              `${PARTITIONED(', v int GENERATED ALWAYS AS (a * 3) VIRTUAL')}; ALTER TABLE t_2 REPLICA IDENTITY FULL`,
              /t_2 has REPLICA IDENTITY FULL.*virtual/,
            ],
          ]
        : [['a generated key', GENERATED_KEY, /key column "?id"? .*generated/]];

      test.each(refused)(
        '%s: refused through pgoutput, and the table accepts writes as before',
        async (_, tables, why) => {
          await using node = await made({ tables });
          const refusal18 = { code: 'TABLE_NOT_TRACKABLE', message: expect.stringMatching(why) };
          await expect(node.track('t')).rejects.toMatchObject({
            ...refusal18,
            remedy: expect.stringContaining('wal2json'),
          });
          const matching = {
            ...urls(node),
            patterns: [parseTablePattern('public.*')],
            follow: true,
            retention: null,
          };
          const { notTracked } = await trackMatching(matching);
          expect(notTracked).toMatchObject([{ table: 'public.t', reason: expect.stringMatching(why) }]);
          await node.poll();
          expect(await published(node)).toEqual([]);
          expect(await refusal(node)).toBeNull();
          const [facts = null] = await readTableFacts(node.source, [parseTableName('t')]);
          expect(whyNotTrackable(facts, parseTableName('t'), 'wal2json')).toBeNull();
        },
      );

      const harmless: readonly (readonly [
        what: string,
        tables: string,
        exclude: readonly string[],
        half: RegExp | null,
      ])[] = [
        ['FULL', `${PLAIN}; ${FULL}`, [], null],
        ['FULL and stored columns', `${STORED}; ${FULL}`, [], null],
        ['a root with FULL', `${PARTITIONED()}; ${FULL}`, [], null],
        [
          'excluded, and in the index of the key',
          `CREATE TABLE t (id int, a int, x int, PRIMARY KEY (id) INCLUDE (x)); ${ROWS}`,
          ['x'],
          null,
        ],
        ...(is18
          ? ([
              [
                'a virtual column',
                VIRTUAL,
                [],
                /If it gets REPLICA IDENTITY FULL, beside the virtual generated column "?v"?,/,
              ],
              [
                'a root with FULL, and virtual columns',
                `${PARTITIONED(', v int GENERATED ALWAYS AS (a * 3) VIRTUAL')}; ${FULL}`,
                [],
                /If it gets/,
              ],
              ['a generated key', GENERATED_KEY, [], null],
              ['a generated key, and excluded columns', GENERATED_KEY, ['x'], null],
              ['FULL, by a publication without stored columns', `${STORED}; ${FULL}`, [], null],
            ] as const)
          : []),
      ];

      test.each(harmless)(
        '%s: tracked, and the table accepts writes as before',
        async (what, tables, exclude, half) => {
          await using node = await made({ tables });
          if (what.includes('without stored'))
            await node.source.query(
              `ALTER PUBLICATION ${node.publication} SET (publish_generated_columns = none)`,
            );
          const { notes } = await node.track('t', { exclude });
          const halves = notes.filter((note) => note.includes('If it gets'));
          const expected =
            half ??
            (is18 && /FULL$/.test(tables) && !tables.includes('PARTITION')
              ? /a virtual generated column, beside/
              : null);
          if (expected === null) expect(halves).toEqual([]);
          else expect(halves).toEqual([expect.stringMatching(expected)]);
          expect(await refusal(node)).toBeNull();
          await runAll(node, 'UPDATE t SET a = a + 10; DELETE FROM t WHERE id = 3');
          await node.poll();
          const without = [...UNTOLD, ...exclude].map((column) => ` - '${column}'`).join('');
          await sameAsLive(node, 't', `to_jsonb(t)${without}`);
          const incomplete = !is18 && tables.includes('STORED') ? ['warn column_incomplete'] : [];
          expect(verdicts(await troubles(node))).toEqual(incomplete);
        },
      );
    });

    describe('tables that change later', () => {
      const later: readonly (readonly [
        what: string,
        tables: string,
        damage: string,
        back: string,
        exclude?: readonly string[],
      ])[] = [
        ['no key', PLAIN, 'ALTER TABLE t DROP CONSTRAINT t_pkey', 'ALTER TABLE t ADD PRIMARY KEY (id)'],
        [
          'NOTHING',
          PLAIN,
          'ALTER TABLE t REPLICA IDENTITY NOTHING',
          'ALTER TABLE t REPLICA IDENTITY DEFAULT',
        ],
        [
          'a partition with NOTHING',
          PARTITIONED(),
          'ALTER TABLE t_2 REPLICA IDENTITY NOTHING',
          'ALTER TABLE t_2 REPLICA IDENTITY DEFAULT',
        ],
        [
          'an index that is gone',
          PLAIN,
          'CREATE UNIQUE INDEX u ON t (a); ALTER TABLE t REPLICA IDENTITY USING INDEX u; DROP INDEX u',
          'ALTER TABLE t REPLICA IDENTITY DEFAULT',
        ],
        [
          'an index over excluded columns',
          PLAIN,
          'CREATE UNIQUE INDEX u ON t (a); ALTER TABLE t REPLICA IDENTITY USING INDEX u',
          'ALTER TABLE t REPLICA IDENTITY DEFAULT',
          ['a'],
        ],
        ['excluded columns and FULL', PLAIN, FULL, 'SELECT 1', ['a']],
        ...(is18
          ? ([
              [
                'FULL, then a virtual column',
                PLAIN,
                `${FULL}; ALTER TABLE t ADD v int GENERATED ALWAYS AS (a * 3) VIRTUAL`,
                'ALTER TABLE t DROP v',
              ],
              ['a virtual column, then FULL', VIRTUAL, FULL, 'ALTER TABLE t REPLICA IDENTITY DEFAULT'],
              [
                'excluded columns, a virtual column and FULL',
                VIRTUAL,
                FULL,
                'ALTER TABLE t REPLICA IDENTITY DEFAULT',
                ['a'],
              ],
              [
                'a virtual column, then a partition with FULL',
                PARTITIONED(', v int GENERATED ALWAYS AS (a * 3) VIRTUAL'),
                'ALTER TABLE t_2 REPLICA IDENTITY FULL',
                'ALTER TABLE t_2 REPLICA IDENTITY DEFAULT',
              ],
              [
                'stored columns hidden',
                `${STORED}; ${FULL}`,
                'ALTER PUBLICATION % SET (publish_generated_columns = none)',
                'SELECT 1',
              ],
              [
                'a generated key hidden',
                GENERATED_KEY,
                'ALTER PUBLICATION % SET (publish_generated_columns = none)',
                'SELECT 1',
              ],
            ] as const)
          : []),
      ];

      test.for(later)(
        '%s: writes are refused until the next run; the table is unknown until it is corrected',
        async ([_, tables, damage, back, exclude = []]) => {
          await using node = await made({ tables });
          await node.track('t', { exclude });
          await node.poll();
          await runAll(node, damage.replace('%', `${node.publication}`));
          expect(await refusal(node)).toMatch(/^(42P10|55000)$/);
          await node.poll();
          expect(await refusal(node)).toBeNull();
          await runAll(node, 'UPDATE t SET a = a + 10 WHERE id = 2; DELETE FROM t WHERE id = 3');
          await runs(node, 3);
          if (back !== 'SELECT 1') {
            expect(await relation(node)).toMatchObject({ status: 'needs_rebaseline', repair: null });
            expect(await now(node, '2', 't')).toMatchObject({ status: 'unknown' });
            await expect(rebaseline({ ...urls(node), table: parseTableName('t') })).rejects.toMatchObject({
              code: expect.stringMatching(/TABLE_NOT_TRACKABLE|NO_PRIMARY_KEY/),
            });
            expect(await refusal(node)).toBeNull();
            await runAll(node, back);
            await runs(node, 4);
          }
          expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
          expect(await refusal(node)).toBeNull();
          await runAll(node, 'UPDATE t SET a = a + 100 WHERE id = 2');
          await node.poll();
          const without = [...UNTOLD, ...exclude].map((column) => ` - '${column}'`).join('');
          await sameAsLive(node, 't', `to_jsonb(t)${without}`);
          expect(await published(node)).not.toEqual([]);
          expect(await troubles(node)).toEqual([]);
        },
      );

      test('a key with an excluded column: accepts writes from the next run on, but has another history', async () => {
        await using node = await made({ tables: PLAIN });
        await node.track('t', { exclude: ['a'] });
        await runAll(node, 'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, a)');
        expect(await refusal(node)).toBe('42P10');
        await node.poll();
        expect(await refusal(node)).toBeNull();
        expect(await now(node, '2', 't')).toMatchObject({ status: 'unknown' });
      });

      test('a partition that somebody has published by itself', async () => {
        await using node = await made({ tables: PARTITIONED() });
        await node.track('t');
        await node.source.query(`ALTER PUBLICATION ${node.publication} ADD TABLE t_2`);
        await node.source.query('ALTER TABLE t_2 REPLICA IDENTITY NOTHING');
        await node.poll();
        expect(await refusal(node)).toBeNull();
        expect(await published(node)).toEqual([]);
      });
    });

    describe('a run whose role does not own the publication', () => {
      const damages: readonly (readonly [code: string, tables: string, damage: string])[] = [
        ['fail publication_refused', PLAIN, 'ALTER TABLE t REPLICA IDENTITY NOTHING'],
        ...(is18
          ? ([
              ['fail publication_refused', VIRTUAL, FULL],
              [
                'fail publication_generated',
                `${STORED}; ${FULL}`,
                'ALTER PUBLICATION % SET (publish_generated_columns = none)',
              ],
            ] as const)
          : []),
      ];
      test.each(damages)(
        '%s: doctor reports it, before any run and after it, and its remedy helps',
        async (verdict, tables, damage) => {
          await using node = await made({ tables, track: ['t'] });
          const role = `plain_${node.slot}`;
          await node.source.query(
            `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
          );
          try {
            const sourceUrl = Object.assign(new URL(node.sourceUrl), {
              username: role,
              password: 'p',
            }).toString();
            await node.source.query(damage.replace('%', `${node.publication}`));
            expect(verdicts(await troubles(node))).toContain(verdict);
            expect((await poll({ ...urls(node), sourceUrl })).outcome).toBe('done');
            expect(await refusal(node)).toMatch(/^(42P10|55000)$/);
            const { rows } = await node.store.query<{ message: string }>(
              `SELECT message FROM pgtimewarp.health_events WHERE code IN ('SOURCE_WRITES_FAIL', 'GENERATED_HIDDEN')`,
            );
            expect(rows.map(({ message }) => message).join('\n')).toContain('ALTER PUBLICATION');
            await pasteRemedy(node, await troubles(node), verdict.replace('fail ', ''));
            expect(await refusal(node)).toBeNull();
            await mendTheRest(node);
            expect(await refusal(node)).toBeNull();
          } finally {
            await node.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
          }
        },
      );
    });

    test('a node that begins again does not publish a table whose writes would be refused', async () => {
      await using node = await made({ tables: PLAIN, track: ['t'] });
      await node.source.query('ALTER TABLE t REPLICA IDENTITY NOTHING');
      const { ended } = await rebaselineNode({ ...urls(node), version: 'test' });
      expect(ended).toMatchObject([{ table: 'public.t' }]);
      expect(await published(node)).toEqual([]);
      expect(await refusal(node)).toBeNull();
    });

    test('a table that is corrected before the run after its start: that run still detects the obstacle', async () => {
      await using node = await made({ tables: PLAIN });
      const asked = track({
        ...urls(node),
        table: parseTableName('t'),
        retention: null,
        signal: AbortSignal.abort(),
      });
      await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED' });
      await node.source.query('ALTER TABLE t REPLICA IDENTITY NOTHING');
      await node.poll();
      expect(await refusal(node)).toBeNull();
      await node.source.query('ALTER TABLE t REPLICA IDENTITY DEFAULT');
      await runAll(node, 'UPDATE t SET a = a + 10 WHERE id = 2');
      await runs(node, 5);
      expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
      await sameAsLive(node);
    });

    test('a requested table that becomes such a table before it starts', async () => {
      await using node = await made({ tables: PLAIN });
      const asked = track({
        ...urls(node),
        table: parseTableName('t'),
        retention: null,
        signal: AbortSignal.abort(),
      });
      await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED' });
      await node.source.query('ALTER TABLE t REPLICA IDENTITY NOTHING');
      await node.poll();
      expect(await refusal(node)).toBeNull();
      await runAll(node, 'UPDATE t SET a = a + 10 WHERE id = 2');
      await runs(node, 2);
      expect(await now(node, '2', 't')).toMatchObject({ status: 'unknown' });
      await node.source.query('ALTER TABLE t REPLICA IDENTITY DEFAULT');
      await runs(node, 4);
      expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
      await sameAsLive(node);
    });
  });
}

describeNeeding(needOf('wal2json'), 'what needs no publication', () => {
  test.each([
    ['a generated key', GENERATED_KEY],
    ['FULL and stored columns', `${STORED}; ${FULL}`],
  ])('%s: tracked through wal2json', async (_, tables) => {
    await using node = await trackedNode({ plugin: 'wal2json', tables, track: ['t'] });
    expect(await refusal(node)).toBeNull();
    await runAll(node, 'UPDATE t SET a = a + 10 WHERE id = 2; DELETE FROM t WHERE id = 3');
    await node.poll();
    await sameAsLive(node);
    expect(await troubles(node)).toEqual([]);
  });
});
