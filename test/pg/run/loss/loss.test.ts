/**
 * Invariant 9, loss is recorded: a real server is brought into each bad state. Every case ends in a gap with its bounds, an
 * event and a remedy. Answers inside the gap name it, answers before and after it are as usual, and a state without loss raises
 * no alarm.
 */
import { describe, expect, test } from 'vitest';
import { databaseUrl } from '../../../../cli/servers/databases.ts';
import { startServer } from '../../../../cli/servers/start-server.ts';
import { diagnose } from '../../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../../core/doctor/facts.ts';
import { track } from '../../../../core/track.ts';
import { chooseServer } from '../../../support/choose-server.ts';
import { pasteRemedy, troubles, verdicts } from '../../../support/doctored.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { type OwnSource, type OwnSourceOptions, ownSource } from '../../../support/own-source.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { connectForTest } from '../../../support/test-client.ts';

interface LossCase {
  readonly name: string;
  readonly code: string;
  readonly settings?: OwnSourceOptions['settings'];
  /** Positions of the source continue, so questions by LSN still find earlier states. */
  readonly samePositions: boolean;
  /** Applied to a node that has polled order 1 = 11. */
  readonly damage: (node: OwnSource) => Promise<void>;
}

/** More WAL than the store has read, without a change of a tracked table. */
const MUCH_WAL = `SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) FROM generate_series(1, 40);
  SELECT pg_switch_wal(); CHECKPOINT`;

const CASES: readonly LossCase[] = [
  {
    name: 'slot dropped',
    code: 'SLOT_MISSING',
    samePositions: true,
    damage: async (node) => void (await node.sql(`SELECT pg_drop_replication_slot('${node.slot}')`)),
  },
  {
    name: 'slot dropped and made again',
    code: 'SLOT_MISSING',
    samePositions: true,
    damage: async (node) => {
      const { rows } = await node.sql(
        `SELECT plugin FROM pg_replication_slots WHERE slot_name = '${node.slot}'`,
      );
      await node.sql(`SELECT pg_drop_replication_slot('${node.slot}')`);
      await node.sql(`SELECT pg_create_logical_replication_slot('${node.slot}', '${rows[0].plugin}')`);
    },
  },
  {
    name: 'slot moved by someone else',
    code: 'SLOT_MISSING',
    samePositions: true,
    damage: async (node) => {
      await node.sql('UPDATE orders SET total = total + 1');
      await node.sql(`SELECT pg_replication_slot_advance('${node.slot}', pg_current_wal_lsn())`);
    },
  },
  {
    name: 'slot invalidated',
    code: 'SLOT_LOST',
    samePositions: true,
    settings: { max_slot_wal_keep_size: '1MB', max_wal_size: '32MB', min_wal_size: '32MB' },
    damage: async (node) => void (await node.sql(MUCH_WAL)),
  },
  {
    name: 'slot of the same name, another plugin',
    code: 'SLOT_CONFLICT',
    samePositions: true,
    damage: async (node) => {
      await node.sql(`SELECT pg_drop_replication_slot('${node.slot}')`);
      await node.sql(`SELECT pg_create_logical_replication_slot('${node.slot}', 'test_decoding')`);
    },
  },
  {
    name: 'restored from an older copy',
    code: 'HISTORY_FORKED',
    samePositions: false,
    damage: async (node) => {
      await node.copy();
      await node.sql(MUCH_WAL);
      await node.poll();
      await node.restoreCopy();
      await node.sql('UPDATE orders SET total = 12 WHERE id = 1');
    },
  },
  {
    name: 'forked history past the horizon, with other commits',
    code: 'HISTORY_FORKED',
    samePositions: false,
    damage: async (node) => {
      await node.copy();
      await node.sql('UPDATE orders SET total = 99 WHERE id = 2');
      await node.poll();
      await node.restoreCopy();
      await node.sql('UPDATE orders SET total = 98 WHERE id = 2');
      await node.sql(MUCH_WAL);
    },
  },
  {
    name: 'forked history past the horizon, without such a commit',
    code: 'HISTORY_FORKED',
    samePositions: false,
    damage: async (node) => {
      await node.copy();
      await node.sql('UPDATE orders SET total = 99 WHERE id = 2');
      await node.poll();
      await node.restoreCopy();
      await node.sql(MUCH_WAL);
      await node.sql('UPDATE orders SET total = 12 WHERE id = 1');
    },
  },
  {
    name: 'another timeline',
    code: 'SOURCE_REPLACED',
    samePositions: false,
    damage: (node) => node.promote(),
  },
];

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `loss with ${plugin}`, () => {
    test.for(CASES)('$name', async (given) => {
      await using node = await ownSource({ plugin, ...(given.settings && { settings: given.settings }) });
      await node.sql('UPDATE orders SET total = 11 WHERE id = 1');
      await node.poll();
      await given.damage(node);
      await node.sql(`UPDATE orders SET total = 21 WHERE id = 2; DELETE FROM orders WHERE id = 3;
                      INSERT INTO orders VALUES (4, 40)`);
      const before = await node.horizon();

      expect(await node.poll()).toMatchObject({ outcome: 'gap' });
      expect(await node.poll()).toMatchObject({ outcome: 'gap' }); // again: nothing else is recorded
      expect(await node.gaps()).toEqual([{ code: given.code, from_ts: before, to_ts: null }]);
      expect(await node.events()).toEqual([given.code]);
      const remedies = diagnose(await gatherFacts(node.urls))
        .checks.filter((check) => check.status === 'fail')
        .map((check) => check.remedy);
      expect(remedies.some((remedy) => remedy?.includes('pgtimewarp rebaseline --node'))).toBe(true);
      expect(await node.state('1', before)).toMatch(/^found 1[12]$/);
      expect(await node.state('3', before)).toBe('found 30');
      expect(await node.state('1')).toBe('unknown in_gap');

      // The remedy
      if (given.code === 'SLOT_CONFLICT') await node.sql(`SELECT pg_drop_replication_slot('${node.slot}')`);
      const inside = await node.horizon();
      await node.databases.store.query(`UPDATE pgtimewarp.wal_checkpoints SET map_from_lsn = '0/1'`); // retention has deleted entries of the map
      const result = await node.rebaseline();
      expect(result).toMatchObject({ samePositions: given.samePositions, ended: [] });
      const cut = await node.databases.store.query('SELECT map_from_lsn FROM pgtimewarp.wal_checkpoints');
      expect(cut.rows, 'of the present LSN space').toEqual([
        { map_from_lsn: given.samePositions ? '0/1' : null },
      ]);
      expect(await node.gaps()).toEqual([
        { code: given.code, from_ts: before, to_ts: result.gap.to.replace(/\+00$/, 'Z') },
      ]);
      expect(await node.state('3', inside)).toBe('found 30'); // known up to and including the last horizon
      const middle = await databasesMiddle(node);
      expect(await node.state('3', middle)).toBe('unknown in_gap');
      expect(await node.state('2')).toBe('found 21');
      expect(await node.state('3')).toBe('absent deleted');
      expect(await node.state('4')).toBe('found 40');
      await node.sql('UPDATE orders SET total = 41 WHERE id = 4');
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
      expect(await node.state('4')).toBe('found 41');
      expect(await node.state('1', before)).toMatch(/^found 1[12]$/);
      expect(
        diagnose(await gatherFacts(node.urls)).checks.filter((check) => check.status === 'fail'),
      ).toEqual([]);
    });
  });
}

async function databasesMiddle(node: OwnSource): Promise<string> {
  const { rows } = await node.databases.store.query<{ ts: string }>(
    `SELECT to_char(from_ts + (to_ts - from_ts) / 2, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
       FROM pgtimewarp.history_gaps WHERE node_id = $1`,
    [node.urls.node],
  );
  return rows[0]!.ts;
}

test('restored from an older copy on which nothing has happened since', async () => {
  await using node = await ownSource({ plugin: 'pgoutput' });
  await node.copy();
  await node.sql(MUCH_WAL);
  await node.poll();
  await node.restoreCopy();
  expect(await node.poll()).toMatchObject({ outcome: 'gap' });
  expect((await node.gaps()).map((gap) => gap.code)).toEqual(['HISTORY_FORKED']);
});

test.each(['ALTER TABLE other DROP CONSTRAINT other_pkey', 'DROP TABLE other'])(
  'a forked history that lacks a commit is detected while another table has a gap of its own: %s',
  async (sql) => {
    await using node = await ownSource({ plugin: 'pgoutput' });
    await node.sql('CREATE TABLE other (id int PRIMARY KEY)');
    const table = { schema: 'public', name: 'other' };
    await track({ ...node.urls, table, exclude: [], baseline: true, retention: null });
    await node.sql(sql);
    await node.poll();
    await node.copy();
    await node.sql('UPDATE orders SET total = 99 WHERE id = 2');
    await node.poll();
    await node.restoreCopy();
    await node.sql(MUCH_WAL);
    await node.sql('UPDATE orders SET total = 12 WHERE id = 1');
    expect(await node.poll()).toMatchObject({ outcome: 'gap' });
    expect((await node.gaps()).map((gap) => gap.code)).toContain('HISTORY_FORKED');
  },
);

describe('another server at the address', () => {
  test('causes a gap, which is withdrawn after a mistake and ended by rebaseline otherwise', async () => {
    await using node = await ownSource({ plugin: 'pgoutput' });
    const { binaries } = await chooseServer();
    await using other = await startServer({ binaries });
    await other.createDatabase('source');
    const url = other.url('source');

    expect(await node.poll(url)).toMatchObject({ outcome: 'gap' });
    expect((await node.gaps()).map((gap) => gap.code)).toEqual(['SOURCE_REPLACED']);
    await node.sql('UPDATE orders SET total = 12 WHERE id = 1');
    expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
    expect(await node.state('1')).toBe('found 12');
    expect(await node.events()).toEqual(['SOURCE_REPLACED', 'GAP_WITHDRAWN']);

    const session = await connectForTest(url);
    await session.query(
      'CREATE TABLE orders (id bigint PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 13)',
    );
    await session.end();
    const before = await node.horizon();
    const moved = { ...node.urls, sourceUrl: url };
    expect(verdicts(await troubles(moved))).toEqual(['fail source_identity']);
    expect(await node.poll(url)).toMatchObject({ outcome: 'gap' });
    const found = await troubles(moved);
    expect(verdicts(found)).toEqual(['fail node_gap', 'fail source_identity', 'fail gap_open']);
    await pasteRemedy(moved, found, 'source_identity', 1); // it is the successor
    expect(await troubles(moved)).toEqual([]);
    expect(await node.state('1')).toBe('found 13');
    expect(await node.state('2')).toBe('absent deleted');
    expect(await node.state('1', before)).toBe('found 12');
  });
});

describe('these are no losses', () => {
  test('overlapping runs', async () => {
    await using node = await ownSource({ plugin: 'pgoutput' });
    for (let round = 0; round < 5; round++) {
      await node.sql('UPDATE orders SET total = total + 1');
      const runs = await Promise.all([node.poll(), node.poll(), node.poll()]);
      for (const run of runs) expect(['done', 'busy']).toContain(run.outcome);
    }
    expect(await node.gaps()).toEqual([]);
  });

  test.for(PLUGINS)(
    'a crash of the source: the slot comes back further behind (%s)',
    async (plugin, { skip }) => {
      if (!needOf(plugin).met) skip('missing: wal2json');
      await using node = await ownSource({
        plugin,
        tables: `CREATE TABLE orders (id bigint PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 10);
               CREATE TABLE later (id int PRIMARY KEY)`,
      });
      await node.sql('UPDATE orders SET total = 11; INSERT INTO later VALUES (1)');
      await node.sql('CHECKPOINT');
      await node.poll();
      await node.sql('UPDATE orders SET total = 12');
      await node.sql('INSERT INTO later VALUES (2)'); // not tracked yet: the history has no commit of it
      await node.poll();
      const later = { schema: 'public', name: 'later' };
      await track({ ...node.urls, table: later, exclude: [], baseline: true, retention: null });
      const { rows: old } = await node.sql(`SELECT confirmed_flush_lsn AS at FROM pg_replication_slots`);
      await node.server.restart('immediate');
      const { rows } = await node.sql(
        `SELECT confirmed_flush_lsn < '${old[0].at}' AS behind FROM pg_replication_slots`,
      );
      expect(rows).toEqual([{ behind: true }]); // otherwise the test proves nothing
      await node.sql('UPDATE orders SET total = 13; INSERT INTO later VALUES (3)');
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
      expect(await node.state('1')).toBe('found 13');
      expect(await node.gaps()).toEqual([]);
    },
  );

  // wal2json did that with an insert into a table that had just been replaced by a copy, and delivered it the next time
  test.each([
    ['a change in a gap', 'ALTER TABLE other ALTER v TYPE text', false],
    ['a change where the history is whole', 'SELECT 1', true],
  ] as const)('after a crash of the source comes %s that the store does not have', async (_, sql, isFork) => {
    await using node = await ownSource({ plugin: 'pgoutput' });
    await node.sql('CREATE TABLE other (id int PRIMARY KEY, v int)');
    const other = { schema: 'public', name: 'other' };
    await track({ ...node.urls, table: other, exclude: [], baseline: true, retention: null });
    await node.poll();
    await node.sql('CHECKPOINT');
    await node.sql('UPDATE orders SET total = 11');
    await node.sql(sql);
    await node.sql('INSERT INTO other VALUES (3)');
    await node.poll();
    const { store } = node.databases;
    const { rowCount } = await store.query(
      `WITH left_out AS (DELETE FROM pgtimewarp.row_changes WHERE pk = '["3"]' AND op = 'I' RETURNING valid_from_lsn)
       DELETE FROM pgtimewarp.lsn_time_map AS m USING left_out AS l WHERE m.lsn = l.valid_from_lsn AND m.xid IS NOT NULL`,
    );
    expect(rowCount).toBe(1);
    await node.server.restart('immediate');
    await node.sql('UPDATE orders SET total = 13');
    for (let runs = 0; runs < 3; runs++) await node.poll();
    expect((await node.events()).includes('HISTORY_FORKED')).toBe(isFork);
  });

  test('another database of the right server', async () => {
    await using node = await ownSource({ plugin: 'pgoutput' });
    await node.server.createDatabase('another');
    await expect(node.poll(databaseUrl(node.urls.sourceUrl, 'another'))).rejects.toMatchObject({
      code: 'NODE_CONFLICT',
    });
    expect(await node.gaps()).toEqual([]);
    expect(await node.poll()).toMatchObject({ outcome: 'done' });
  });
});
