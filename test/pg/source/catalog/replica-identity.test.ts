/**
 * Rows whose key is not in the log: a table without a usable replica identity is refused before it is published. Rows that the
 * plugin left out are a loss, which ends when the table has been read again.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeNeeding } from '../../../support/needs.ts';
import { now, relation, sameAsLive } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const PARTITIONED = (name: string): string =>
  `CREATE TABLE ${name} (id int NOT NULL, u int NOT NULL, v text) PARTITION BY RANGE (id);
   CREATE TABLE ${name}_1 PARTITION OF ${name} FOR VALUES FROM (0) TO (100);`;

/** Each with the words that name the obstacle. */
const REFUSED: readonly (readonly [name: string, setup: string, why: RegExp])[] = [
  ['late_check', 'CREATE TABLE late_check (id int PRIMARY KEY DEFERRABLE, v text)', /DEFERRABLE/],
  [
    'deferred_full',
    `CREATE TABLE deferred_full (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
     ALTER TABLE deferred_full REPLICA IDENTITY FULL`,
    /DEFERRABLE/,
  ],
  [
    'nothing',
    'CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING',
    /NOTHING/,
  ],
  [
    'another',
    `CREATE TABLE another (id int PRIMARY KEY, u int NOT NULL UNIQUE);
     ALTER TABLE another REPLICA IDENTITY USING INDEX another_u_key`,
    /another index/,
  ],
  [
    'index_gone',
    `CREATE TABLE index_gone (id int PRIMARY KEY, u int NOT NULL); CREATE UNIQUE INDEX index_gone_u ON index_gone (u);
     ALTER TABLE index_gone REPLICA IDENTITY USING INDEX index_gone_u; DROP INDEX index_gone_u`,
    /index/,
  ],
  ['only_root', `${PARTITIONED('only_root')} ALTER TABLE ONLY only_root ADD PRIMARY KEY (id)`, /only_root_1/],
  [
    'leaf_index_gone',
    `${PARTITIONED('leaf_index_gone')} ALTER TABLE leaf_index_gone ADD PRIMARY KEY (id);
     CREATE UNIQUE INDEX leaf_u ON leaf_index_gone_1 (u);
     ALTER TABLE leaf_index_gone_1 REPLICA IDENTITY USING INDEX leaf_u; DROP INDEX leaf_u`,
    /leaf_index_gone_1/,
  ],
  [
    'leaf_other',
    `${PARTITIONED('leaf_other')} ALTER TABLE leaf_other ADD PRIMARY KEY (id);
     CREATE UNIQUE INDEX leaf_other_u ON leaf_other_1 (u);
     ALTER TABLE leaf_other_1 REPLICA IDENTITY USING INDEX leaf_other_u`,
    /leaf_other_1.*another index/,
  ],
];

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a table without a usable replica identity, ${plugin}`, () => {
    let node: TrackedNode;

    beforeAll(async () => {
      node = await trackedNode({ plugin, tables: REFUSED.map(([, setup]) => setup).join(';\n') });
    });

    afterAll(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    test.each(REFUSED)(
      '%s: track refuses it, and its application can write as before',
      async (name, _, why) => {
        const published = () =>
          node.source.query(
            'SELECT count(*)::int AS count FROM pg_publication_rel WHERE prrelid = $1::regclass',
            [name],
          );
        await expect(node.track(name)).rejects.toMatchObject({
          code: 'TABLE_NOT_TRACKABLE',
          message: expect.stringMatching(why),
        });
        expect((await published()).rows).toEqual([{ count: 0 }]);
      },
    );
  });
}

describeNeeding(needOf('wal2json'), 'rows that wal2json leaves out', () => {
  /** Names that must be in one warning, and not in another. */
  const NAMES = ['plain', '"Odd ""name"', '"a.b"', '"plain_2"'];

  const gaps = async (node: TrackedNode): Promise<{ table_name: string; open: boolean }[]> =>
    (
      await node.store.query<{ table_name: string; open: boolean }>(
        `SELECT t.table_name, g.to_ts IS NULL AS open
           FROM pgtimewarp.history_gaps AS g JOIN pgtimewarp.tracked_relations AS t USING (relation_id) ORDER BY g.id`,
      )
    ).rows;

  const lastOf = async (node: TrackedNode): Promise<string[]> =>
    (
      await node.store.query<{ row: string }>(
        `SELECT DISTINCT ON (table_name, pk) table_name || ' ' || pk || ' ' || coalesce(row_data::text, 'deleted') AS row
           FROM pgtimewarp.row_versions ORDER BY table_name, pk, valid_from_lsn DESC, seq DESC`,
      )
    ).rows.map(({ row }) => row);

  const AWAY_AND_BACK: readonly (readonly [what: string, away: string, back: string])[] = [
    [
      'the key dropped and added again',
      'ALTER TABLE % DROP CONSTRAINT the_key',
      'ALTER TABLE % ADD CONSTRAINT the_key PRIMARY KEY (id)',
    ],
    [
      'REPLICA IDENTITY NOTHING and back',
      'ALTER TABLE % REPLICA IDENTITY NOTHING',
      'ALTER TABLE % REPLICA IDENTITY DEFAULT',
    ],
  ];

  describe.each(AWAY_AND_BACK)('%s, between two runs', (_, away, back) => {
    test.each(NAMES)(
      'table %s: the loss ends when the table has been read again; others have none',
      async (name) => {
        const setup = NAMES.map((each) =>
          `CREATE TABLE ${each} (id int CONSTRAINT the_key PRIMARY KEY, v text);
           INSERT INTO ${each} VALUES (1, 'old'), (2, 'old')`.replace(
            'the_key',
            each === name ? 'the_key' : `"key of ${each.replaceAll('"', '')}"`,
          ),
        ).join(';\n');
        await using node = await trackedNode({ plugin: 'wal2json', tables: setup, track: NAMES });
        await node.source.query(away.replace('%', name));
        await node.source.query(`UPDATE ${name} SET v = 'new' WHERE id = 1`);
        await node.source.query(`DELETE FROM ${name} WHERE id = 2`);
        await node.source.query(back.replace('%', name));
        for (const other of NAMES.filter((each) => each !== name))
          await node.source.query(`UPDATE ${other} SET v = 'newer' WHERE id = 1`);
        for (let run = 0; run < 4; run++) await node.poll();
        const bare = name.replace(/^"|"$/g, '').replaceAll('""', '"');
        expect(await gaps(node)).toEqual([{ table_name: bare, open: false }]);
        const own = (await lastOf(node)).filter((row) => row.startsWith(`${bare} [`));
        expect(own).toEqual([`${bare} ["1"] {"id":1,"v":"new"}`, `${bare} ["2"] deleted`]);
        await node.source.query(`UPDATE ${name} SET v = 'newest'`);
        await node.poll();
        expect(await gaps(node)).toEqual([{ table_name: bare, open: false }]);
      },
    );
  });

  test('a table that stays without identity has one gap, and the other tables of its node continue', async () => {
    await using node = await trackedNode({
      plugin: 'wal2json',
      tables: `CREATE TABLE lost (id int PRIMARY KEY, v text); CREATE TABLE other (id int PRIMARY KEY);
               INSERT INTO lost VALUES (1, 'old')`,
      track: ['lost', 'other'],
    });
    await node.source.query('ALTER TABLE lost REPLICA IDENTITY NOTHING');
    for (let run = 1; run < 4; run++) {
      await node.source.query(`UPDATE lost SET v = 'run ${run}'; INSERT INTO other VALUES (${run})`);
      await node.poll();
    }
    expect(await gaps(node)).toEqual([{ table_name: 'lost', open: true }]);
    const { rows } = await node.store.query(
      `SELECT count(*)::int AS told FROM pgtimewarp.health_events WHERE severity <> 'info'`,
    );
    expect(rows).toEqual([{ told: 1 }]);
  });
});

describeNeeding(needOf('pgoutput'), 'rows whose key pgoutput does not tell', () => {
  test.each([0, 1, 2, 3, 4])(
    'a row inserted %d runs after a repair began is never absent, and is complete in the end',
    async (runs) => {
      await using node = await trackedNode({
        plugin: 'pgoutput',
        tables: `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old')`,
        track: ['t'],
      });
      await node.source.query('ALTER TABLE t ADD g int GENERATED ALWAYS AS (1) STORED');
      for (let run = 0; run < runs; run++) await node.poll();
      await node.source.query('ALTER TABLE t REPLICA IDENTITY NOTHING');
      await node.source.query(`INSERT INTO t VALUES (2, 'lost')`);
      await node.source.query('ALTER TABLE t REPLICA IDENTITY DEFAULT');
      for (let run = 0; run < 5; run++) {
        await node.poll();
        expect(await now(node, '2', 't')).not.toMatchObject({ status: 'absent' });
      }
      expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
      await sameAsLive(node);
    },
  );
});
