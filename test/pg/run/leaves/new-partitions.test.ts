/**
 * The order of commits, not of transaction ids, decides whether a new partition came with rows. The transactions here overlap,
 * use savepoints, and delete, truncate or update the earlier rows before a run reads them.
 */
import type pg from 'pg';
import { expect, test } from 'vitest';
import { describeNeeding } from '../../../support/needs.ts';
import { at, sourceClock } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

type Session = 'early' | 'late';

interface Story {
  readonly name: string;
  readonly steps: readonly (readonly [Session, string])[];
}

const TABLE = `CREATE TABLE t (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
  CREATE TABLE t_a PARTITION OF t FOR VALUES FROM (0) TO (100); INSERT INTO t VALUES (1, 1)`;
const BEGIN = 'BEGIN; SELECT pg_current_xact_id()';
const MADE = 'CREATE TABLE t_new PARTITION OF t FOR VALUES FROM (300) TO (400000)';
const ALONE = 'CREATE TABLE t_new (LIKE t INCLUDING ALL)';
const ATTACH = 'ALTER TABLE t ATTACH PARTITION t_new FOR VALUES FROM (300) TO (400000)';
const ROWS = 'INSERT INTO t_new SELECT i, i FROM generate_series(350000, 350010) AS i';
const MANY = 'INSERT INTO t SELECT i, i FROM generate_series(300, 110000) AS i';

const WHOLE: readonly Story[] = [
  {
    name: 'filled by a transaction that began before it was made',
    steps: [
      ['early', BEGIN],
      ['late', MADE],
      ['early', 'INSERT INTO t VALUES (301, 1); COMMIT'],
    ],
  },
  {
    name: 'attached empty, filled by a transaction that began before',
    steps: [
      ['early', BEGIN],
      ['late', `${ALONE}; ${ATTACH}`],
      ['early', 'INSERT INTO t VALUES (301, 1); UPDATE t SET n = 2 WHERE id = 301; COMMIT'],
    ],
  },
  {
    name: 'made, truncated and filled',
    steps: [['early', `BEGIN; ${MADE}; TRUNCATE t_new; ${ROWS}; COMMIT; DELETE FROM t WHERE id = 350001`]],
  },
  {
    name: 'made in a savepoint',
    steps: [['early', `BEGIN; SAVEPOINT a; ${MADE}; RELEASE a; COMMIT; ${ROWS}; TRUNCATE t_new; ${ROWS}`]],
  },
  { name: 'made empty, with more rows than one run judges', steps: [['early', `${MADE}; ${MANY}`]] },
];

const CAME_WITH_ROWS: readonly Story[] = [
  {
    name: 'filled by a later transaction that ended before it was attached',
    steps: [
      ['early', BEGIN],
      ['late', `${ALONE}; ${ROWS}`],
      ['early', `${ATTACH}; COMMIT`],
    ],
  },
  {
    name: 'attached in a savepoint after a later transaction filled it',
    steps: [
      [
        'early',
        `${BEGIN}; SAVEPOINT a; ${ALONE}; RELEASE a; COMMIT; ${BEGIN}; SAVEPOINT b; SELECT pg_current_xact_id(); INSERT INTO t VALUES (2, 2)`,
      ],
      ['late', ROWS],
      ['early', `${ATTACH}; RELEASE b; COMMIT`],
    ],
  },
  {
    name: 'its rows deleted since',
    steps: [['early', `${ALONE}; ${ROWS}; ${ATTACH}; DELETE FROM t WHERE id >= 300`]],
  },
  {
    name: 'its rows deleted since, by a transaction that began before',
    steps: [
      ['early', BEGIN],
      ['late', `${ALONE}; ${ROWS}; ${ATTACH}`],
      ['early', 'DELETE FROM t WHERE id >= 300; COMMIT'],
    ],
  },
  { name: 'truncated since', steps: [['early', `${ALONE}; ${ROWS}; ${ATTACH}; TRUNCATE t_new`]] },
  {
    name: 'with many rows before its own, all updated since',
    steps: [
      [
        'early',
        `${ALONE}; ${ROWS}; ${ATTACH}; INSERT INTO t SELECT i, i FROM generate_series(300, 20400) AS i; UPDATE t SET n = 0`,
      ],
    ],
  },
  {
    name: 'with more rows before its own than one run judges',
    steps: [['early', `${ALONE}; ${ROWS}; ${ATTACH}; ${MANY}; UPDATE t SET n = 0 WHERE id > 350000`]],
  },
];

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a partition that is new (${plugin})`, () => {
    test.each(WHOLE)('$name: nothing was lost', { timeout: 60_000 }, async ({ steps }) => {
      await using node = await trackedNode({ plugin, tables: TABLE, track: ['t'] });
      await tell(node, steps);
      await node.poll();
      for (let runs = 0; runs < 3; runs++) await node.poll();
      expect(await gaps(node)).toEqual([]);
      await sameKeys(node);
    });

    test.each(CAME_WITH_ROWS)(
      '$name: unknown until the table is read again',
      { timeout: 60_000 },
      async ({ steps }) => {
        await using node = await trackedNode({ plugin, tables: TABLE, track: ['t'] });
        await node.poll();
        const during = await tell(node, steps);
        await node.poll();
        const first = await at(node, '350002', during);
        expect(first.final ? first.status : 'unknown').toBe('unknown');
        for (let runs = 0; runs < 5; runs++) await node.poll();
        expect(await gaps(node)).toEqual([expect.stringMatching(/attached with rows/)]);
        expect(await at(node, '350002', during)).toMatchObject({ status: 'unknown', reason: 'in_gap' });
        await sameKeys(node);
      },
    );
  });
}

/** @returns an instant before the last statement */
async function tell(node: TrackedNode, steps: Story['steps']): Promise<string> {
  const sessions: Record<Session, pg.Client> = {
    early: await node.connect('source'),
    late: await node.connect('source'),
  };
  let before = '';
  for (const [session, sql] of steps) {
    for (const statement of sql.split('; ')) {
      before = await sourceClock(node);
      await sessions[session].query(statement);
    }
  }
  return before;
}

/** Checks that as of now the history has the keys of the table. */
async function sameKeys(node: TrackedNode): Promise<void> {
  const live = await node.source.query('SELECT count(*) AS keys, sum(id) AS sum, sum(n) AS values FROM t');
  const told = await node.store.query(
    `SELECT count(*) AS keys, sum((row_data ->> 'id')::int) AS sum, sum((row_data ->> 'n')::int) AS values
       FROM pgtimewarp.row_versions WHERE valid_to_lsn IS NULL AND op <> 'D'`,
  );
  expect(told.rows).toEqual(live.rows);
}

async function gaps(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ reason: string }>('SELECT reason FROM pgtimewarp.history_gaps');
  return rows.map(({ reason }) => reason);
}

const OTHER_KEYS: readonly (readonly [string, string])[] = [
  ['a shorter key', 'ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (id)'],
  ['a longer key', 'ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (id, n, m)'],
  ['no key', 'ALTER TABLE t DROP CONSTRAINT t_pkey'],
  ['a renamed key column', 'ALTER TABLE t RENAME n TO o'],
  ['another column under the name', 'ALTER TABLE t RENAME n TO o; ALTER TABLE t RENAME m TO n'],
];

for (const plugin of PLUGINS)
  describeNeeding(needOf(plugin), `a new partition of a table that got another key (${plugin})`, () => {
    test.each(OTHER_KEYS)('%s: the run goes on, and nothing wrong is told', async (_, sql) => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE t (id int, n int, m int NOT NULL DEFAULT 0, PRIMARY KEY (id, n)) PARTITION BY RANGE (id);
                 CREATE TABLE t_a PARTITION OF t FOR VALUES FROM (0) TO (100); INSERT INTO t VALUES (1, 1);
                 CREATE TABLE other (id int PRIMARY KEY)`,
        track: ['t', 'other'],
      });
      await node.poll();
      await node.source.query(sql);
      await node.source.query('CREATE TABLE t_new PARTITION OF t FOR VALUES FROM (300) TO (400)');
      await node.source.query('INSERT INTO t VALUES (301, 1, 1); INSERT INTO other VALUES (7)');
      for (let runs = 0; runs < 3; runs++) expect(await node.poll()).toMatchObject({ outcome: 'done' });
      const now = await sourceClock(node);
      await node.source.query('INSERT INTO other VALUES (8)');
      await node.poll();
      expect(await at(node, '7', now, 'other')).toMatchObject({ status: 'found', final: true });
      const told = await at(node, '{"id": 1, "n": 1}', now).catch(() => ({ status: 'refused' }));
      expect(told).not.toMatchObject({ status: 'absent' });
    });
  });
