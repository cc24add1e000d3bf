/** Tables that are renamed, dropped, or lose their key are reported; the other tables continue. */
import { afterEach, expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { diff } from '../../../../core/query/diff.ts';
import { keyFromText } from '../../../../core/query/key-input.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { untrack } from '../../../../core/track.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES = `CREATE TABLE a (id int PRIMARY KEY, v int); INSERT INTO a VALUES (1, 1);
                CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b VALUES (1, 1)`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `schema changes (${plugin})`, () => {
    let node: TrackedNode;

    afterEach(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    test('a renamed table is reported, the other table continues, and the new name can be tracked', async () => {
      node = await trackedNode({ plugin, tables: TABLES, track: ['a', 'b'] });
      await node.source.query('UPDATE a SET v = 2; ALTER TABLE a RENAME TO a2; UPDATE b SET v = 2');
      const run = await node.poll();
      expect(run.missing).toEqual([{ schema: 'public', name: 'a' }]);
      expect(await states(node)).toEqual({ a: 'needs_rebaseline', b: 'active' });
      expect(await last(node, 'b')).toBe('2');
      expect(await codes(node)).toEqual(['RELATION_GAP']);
      await node.poll();
      expect(await codes(node), 'reported once').toEqual(['RELATION_GAP']);
      expect((await node.track('a2')).baseline).toBe('done');
      expect(await last(node, 'a2')).toBe('2');
      await node.source.query('ALTER TABLE a2 RENAME TO a');
      await rebaseline({ ...urls(node), table: parseTableName('a') });
      expect(await states(node)).toMatchObject({ a: 'active' });
    });

    test('a table that is dropped while track waits ends the wait', async () => {
      node = await trackedNode({ plugin, tables: TABLES });
      const blocker = await node.connect('source');
      await blocker.query('BEGIN; UPDATE a SET v = 2');
      const waiting = node.track('a').catch((error: unknown) => error);
      await expect.poll(async () => states(node), { timeout: 10_000 }).toEqual({ a: 'starting' });
      await blocker.query('COMMIT');
      await blocker.query('BEGIN; DROP TABLE IF EXISTS a; COMMIT');
      const outcome = await waiting;
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'TABLE_UNKNOWN' });
      else await node.poll();
      expect(['starting', 'needs_rebaseline']).toContain((await states(node)).a);
      await expect(node.track('a')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' });
    });

    test('track reports that a table is gone, or why it has a gap, if an earlier run has found that', async () => {
      node = await trackedNode({ plugin, tables: TABLES, track: ['a', 'b'] });
      await node.source.query('DROP TABLE a; ALTER TABLE b RENAME TO b2');
      await node.poll();
      await node.source.query('ALTER TABLE b2 RENAME TO b');
      await expect(node.track('a')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' });
      await expect(node.track('b')).rejects.toMatchObject({
        code: 'RELATION_GAP',
        message: expect.stringMatching(/^public\.b has a gap: .*dropped or renamed/),
      });
      await rebaseline({ ...urls(node), table: parseTableName('b') });
      expect(await node.track('b')).toMatchObject({ alreadyTracked: true });
    });

    test('a lost key is a gap, and an event if updates failed', async () => {
      node = await trackedNode({ plugin, tables: TABLES, track: ['a', 'b'] });
      await node.source.query('ALTER TABLE a DROP CONSTRAINT a_pkey');
      await node.source.query('INSERT INTO a VALUES (2, 2)');
      await node.source.query('UPDATE b SET v = 3');
      const update = (): Promise<boolean> =>
        node.source.query('UPDATE a SET v = 9').then(
          () => false,
          () => true,
        );
      const failed = await update();
      expect(failed).toBe(plugin === 'pgoutput');
      await node.poll();
      expect(await states(node)).toEqual({ a: 'needs_rebaseline', b: 'active' });
      expect(await last(node, 'b')).toBe('3');
      expect((await codes(node)).includes('SOURCE_WRITES_FAIL')).toBe(failed);
      expect(await update()).toBe(false); // it is not published any more
      await expect(rebaseline({ ...urls(node), table: parseTableName('a') })).rejects.toMatchObject({
        code: 'NO_PRIMARY_KEY',
      });
      await node.source.query('ALTER TABLE a ADD PRIMARY KEY (id)');
      await node.source.query('UPDATE a SET v = 10 WHERE id = 1');
      await rebaseline({ ...urls(node), table: parseTableName('a') });
      expect(await states(node)).toMatchObject({ a: 'active' });
      expect(await last(node, 'a')).toBe('10');
    });

    test('a table with another key needs another history', async () => {
      node = await trackedNode({ plugin, tables: TABLES, track: ['a'] });
      await node.source.query('ALTER TABLE a DROP CONSTRAINT a_pkey, ADD PRIMARY KEY (v)');
      await node.poll();
      expect(await states(node)).toEqual({ a: 'needs_rebaseline' });
      const table = parseTableName('a');
      await expect(rebaseline({ ...urls(node), table })).rejects.toMatchObject({
        code: 'TABLE_NOT_TRACKABLE',
      });
      await untrack({ ...urls(node), table, purge: false });
      await node.source.query('ALTER TABLE a DROP CONSTRAINT a_pkey, ADD PRIMARY KEY (id)');
      const { trackedFrom } = await node.track('a');
      const page = await diff(node.store, {
        ...{ node: node.node, table, pk: keyFromText('1'), from: null, to: null, limit: 10 },
      });
      const unknown = JSON.parse(page.unknownText) as { to: string | null; reason: string }[];
      expect(
        unknown.map(({ to, reason }) => [to, reason]),
        'the gap ends where the new tracking begins',
      ).toEqual([[trackedFrom.ts, 'in_gap']]);
    });
  });
}

function urls(node: TrackedNode): { sourceUrl: string; storeUrl: string; node: string } {
  return { sourceUrl: node.sourceUrl, storeUrl: node.storeUrl, node: node.node };
}

async function states(node: TrackedNode): Promise<Record<string, string>> {
  const { rows } = await node.store.query<{ table_name: string; status: string }>(
    'SELECT table_name, status FROM pgtimewarp.tracked_relations ORDER BY table_name',
  );
  return Object.fromEntries(rows.map((row) => [row.table_name, row.status]));
}

async function codes(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ code: string }>(
    `SELECT code FROM pgtimewarp.health_events WHERE severity = 'fail' ORDER BY id`,
  );
  return rows.map((row) => row.code);
}

/** The value of v in the last version of row 1. */
async function last(node: TrackedNode, table: string): Promise<string | undefined> {
  const { rows } = await node.store.query<{ v: string }>(
    `SELECT row_data ->> 'v' AS v FROM pgtimewarp.row_versions
      WHERE table_name = $1 AND pk = '["1"]' ORDER BY valid_from_lsn DESC, seq DESC LIMIT 1`,
    [table],
  );
  return rows[0]?.v;
}
