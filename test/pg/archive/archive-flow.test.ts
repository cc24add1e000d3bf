/** History in the archive is the history of the store: counted and asked as of instants by DuckDB and pyiceberg. */

import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveRun, archiveRunWith } from '../../../core/archive/archive-run.ts';
import { setArchive } from '../../../core/archive/change-archive.ts';
import { parseS3Url } from '../../../core/archive/object-store.ts';
import type { FileLimits } from '../../../core/archive/write-parquet.ts';
import { runRetention } from '../../../core/retention/change-retention.ts';
import type { Plugin } from '../../../core/types/plugin.ts';
import { archiveTools } from '../../support/archive-tools.ts';
import {
  archivedNode,
  archiveSql,
  asOfInStore,
  horizon,
  judge,
  openTestArchive,
  PARTITIONED,
  PLAIN,
  rowsInStore,
  setArchiveOf,
  sorted,
  type World,
} from '../../support/archive-world.ts';
import { runCommand } from '../../support/command.ts';
import { describeNeeding } from '../../support/needs.ts';
import { type Seaweed, startSeaweed } from '../../support/seaweed.ts';
import type { TrackedNode } from '../../support/tracked-node.ts';

describeNeeding(archiveTools(), 'the archive', () => {
  let seaweed: Seaweed;
  beforeAll(async () => {
    seaweed = await startSeaweed();
    for (const [name, value] of Object.entries(seaweed.env)) process.env[name] = value;
  });
  afterAll(async () => {
    await seaweed?.[Symbol.asyncDispose]();
  });

  const WORLDS: readonly [string, Plugin, World][] = [
    ['pgoutput, values of all kinds', 'pgoutput', PLAIN],
    ['wal2json, values of all kinds', 'wal2json', PLAIN],
    ['pgoutput, partitions', 'pgoutput', PARTITIONED],
  ];

  test.each(WORLDS)(
    'others read the archive as the store reads history: %s',
    async (_, plugin, world) => {
      await using node = await archivedNode(plugin, world);
      const instants = await node.write();
      await setArchiveOf(node, 'things');
      const result = await archiveRun({ ...node, target: openTestArchive() });
      expect(result.outcome).toBe('done');
      expect(result.units).toBeGreaterThan(2);
      const { stdout: shown } = await runCommand(['archive', 'show', '--json'], node);
      expect(JSON.parse(shown)).toMatchObject({
        tables: [{ table: 'public.things', rows: result.rows.toString(), units: { verified: result.units } }],
      });
      expect(instants.length).toBeGreaterThan(5);
      const judged = await judge(seaweed, node, instants);
      for (const [index, at] of instants.entries())
        expect(judged.asOf[index], at).toEqual(await asOfInStore(node, at));
      const inStore = await rowsInStore(node);
      const columns = Object.keys(inStore[0]!);
      expect(sorted(judged.all, columns)).toEqual(sorted(inStore, columns));
      expect(judged.all.length).toBe(Number(result.rows));
    },
    240_000,
  );

  test('a run gives its lock back, also if its session goes on, and stops at a signal', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    await node.write();
    await setArchiveOf(node, 'things');
    const target = openTestArchive();
    const stopped = new AbortController();
    const onProgress = (): void => stopped.abort();
    const run = { node: node.node, target, signal: stopped.signal, onProgress };
    await expect(archiveRunWith(node.store, run)).rejects.toMatchObject({ code: 'INTERRUPTED' });
    const { units, outcome } = await archiveRun({ ...node, target });
    expect([outcome, units > 0]).toEqual(['done', true]);
  }, 120_000);

  test('files have a limit, and no key is in two of them', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    const instants = await node.write();
    await setArchive(node, { schema: 'public', name: 'things' }, { hot: '1s', minRows: 3200, drops: false });
    const limits = { groupRows: 500, groupLetters: 10_000, fileBytes: 8_000 };
    const { units } = await archiveRun({ ...node, target: openTestArchive(), limits });
    expect(units).toBe(1);
    const { rows: files } = await node.store.query<{
      min_pk: string;
      max_pk: string;
      from_max: string | null;
    }>(
      `SELECT min_pk, max_pk, lag(max_pk) OVER (ORDER BY min_pk) AS from_max FROM pgtimewarp.archive_files ORDER BY min_pk`,
    );
    expect(files.length).toBeGreaterThan(3);
    for (const { min_pk, from_max } of files)
      if (from_max !== null) expect(Buffer.compare(Buffer.from(from_max), Buffer.from(min_pk))).toBe(-1);
    const judged = await judge(seaweed, node, instants.slice(-2));
    expect(judged.asOf[1]).toEqual(await asOfInStore(node, instants.at(-1)!));
  }, 240_000);

  test('damage is found: an object that is gone, and one that is another', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    await node.write();
    await setArchiveOf(node, 'things');
    const target = openTestArchive();
    await archiveRun({ ...node, target });
    expect(await runCommand(['archive', 'verify', '--json'], node)).toMatchObject({ code: 0 });
    const { rows } = await node.store.query<{ path: string }>(
      'SELECT path FROM pgtimewarp.archive_files ORDER BY unit LIMIT 2',
    );
    const [gone, changed] = rows.map(({ path }) => {
      const { bucket, key } = parseS3Url(path);
      return { Bucket: bucket, Key: key };
    });
    await target.objects.client.send(new DeleteObjectCommand(gone!));
    await target.objects.client.send(new PutObjectCommand({ ...changed!, Body: 'other' }));
    const { code, stdout } = await runCommand(['archive', 'verify', '--json'], node);
    expect(code).toBe(1);
    const document = JSON.parse(stdout) as { damaged: number; units: { damage: string | null }[] };
    expect(document.damaged).toBe(2);
    expect(document.units.slice(0, 2).map(({ damage }) => damage)).toEqual([
      expect.stringContaining('is missing'),
      expect.stringContaining('is not what was written'),
    ]);
  }, 120_000);

  test('another store with the same names does not write to the table', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    await node.write();
    await setArchiveOf(node, 'things');
    await archiveRun({ ...node, target: openTestArchive() });
    await node.store.query(
      `DELETE FROM pgtimewarp.archive_files; DELETE FROM pgtimewarp.archive_units; DELETE FROM pgtimewarp.archive_settings`,
    );
    await setArchiveOf(node, 'things');
    const again = archiveRun({ ...node, target: openTestArchive() });
    await expect(again).rejects.toMatchObject({ code: 'ARCHIVE_FOREIGN' });
  }, 120_000);

  test('a table that rests is archived up to now', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    await node.write();
    await setArchiveOf(node, 'things');
    await archiveRun({ ...node, target: openTestArchive() });
    await node.poll();
    const resting = await horizon(node);
    const [inStore, judged] = [await asOfInStore(node, resting), await judge(seaweed, node, [resting])];
    expect(inStore.length).toBeGreaterThan(3000);
    expect(judged.asOf[0]).toEqual(inStore);
    for (const change of ["DELETE FROM things WHERE k = 'after'", 'TRUNCATE things']) {
      await node.source.query(change);
      await node.poll();
      await expect(archiveSql(node, 'things', await horizon(node))).rejects.toMatchObject({
        code: 'ARCHIVE_NOT_YET',
      });
      await sleep(1300);
      await node.poll();
      await archiveRun({ ...node, target: openTestArchive() });
    }
  }, 120_000);

  test('what is not archived is refused: open gaps, the hot window, later instants', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    const [first] = await node.write();
    const asked = runCommand(['archive', 'sql', 'things', '--at', first!], node);
    await expect(asked).rejects.toMatchObject({ code: 'ARCHIVE_NOT_SET' });
    await setArchiveOf(node, 'things');
    const tooEarly = runCommand(['archive', 'sql', 'things', '--at', first!], node);
    await expect(tooEarly).rejects.toMatchObject({ code: 'ARCHIVE_NOT_YET' });
    await node.store.query(
      `INSERT INTO pgtimewarp.history_gaps (node_id, from_lsn, from_ts, reason)
       SELECT node_id, applied_lsn, applied_ts, 'a test' FROM pgtimewarp.wal_checkpoints`,
    );
    const target = openTestArchive();
    expect(await archiveRun({ ...node, target })).toMatchObject({ outcome: 'done', units: 0 });
    await node.store.query('DELETE FROM pgtimewarp.history_gaps');
    await setArchive(node, { schema: 'public', name: 'things' }, { hot: '1d', minRows: 1, drops: false });
    expect(await archiveRun({ ...node, target })).toMatchObject({ outcome: 'done', units: 0 });
    await node.track('things', { retention: '2d' }).catch(() => undefined);
    await node.store.query(`UPDATE pgtimewarp.tracked_relations SET retention = '2d'`);
    const longer = setArchive(
      node,
      { schema: 'public', name: 'things' },
      { hot: '3d', minRows: 1, drops: false },
    );
    await expect(longer).rejects.toMatchObject({ code: 'BAD_FLAGS' });
  }, 120_000);

  test('retention waits for a unit that is not verified', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    await node.write();
    await setArchiveOf(node, 'things');
    const target = openTestArchive();
    const stopped = archiveRun({ ...node, target, limits: STOPS });
    await expect(stopped).rejects.toThrow('stopped');
    await node.store.query(`UPDATE pgtimewarp.tracked_relations SET retention = '1s'`);
    const rowsOf = async (): Promise<string> =>
      (await node.store.query<{ n: string }>('SELECT count(*)::text AS n FROM pgtimewarp.row_changes'))
        .rows[0]!.n;
    const before = await rowsOf();
    for (let pass = 0; pass < 3; pass++) {
      await sleep(700);
      await node.poll();
      await runRetention(node);
    }
    expect(await rowsOf()).toBe(before);
    expect(await stuckUnits(node), 'on the first day it may be under way').toEqual([]);
    await node.store.query(`UPDATE pgtimewarp.archive_units SET planned_at = planned_at - interval '2 days'`);
    expect(await stuckUnits(node)).toEqual([
      expect.stringMatching(
        /^Unit 1 of the archive of public\.things was begun 1728\d\d s ago and is only planned\./,
      ),
    ]);
    expect(await archiveRun({ ...node, target })).toMatchObject({ outcome: 'done', units: 1 });
    expect(await stuckUnits(node)).toEqual([]);
    await sleep(700);
    await node.poll();
    await runRetention(node);
    expect(BigInt(await rowsOf()), 'then it drops').toBeLessThan(BigInt(before));
  }, 120_000);
});

/** What doctor says about them. */
async function stuckUnits(node: TrackedNode): Promise<string[]> {
  const { stdout } = await runCommand(['doctor', '--json'], node);
  const { checks } = JSON.parse(stdout) as { checks: { code: string; message: string }[] };
  return checks.filter(({ code }) => code === 'archive_stuck').map(({ message }) => message);
}

/** Fails when the first row arrives. */
const STOPS: FileLimits = {
  get groupRows(): number {
    throw new Error('stopped');
  },
  groupLetters: 1,
  fileBytes: 1,
};
