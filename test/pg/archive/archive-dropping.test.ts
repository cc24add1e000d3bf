/**
 * What a node answers before its archived history is dropped it answers after that, from real sources: the command line and HTTP, keys that
 * moved, values of all kinds, partitions that were truncated. Damage is never "absent", and a run that is killed while it drops loses nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveRun } from '../../../core/archive/archive-run.ts';
import { parseS3Url } from '../../../core/archive/object-store.ts';
import { archiveReader } from '../../../core/archive/read-archived.ts';
import { rebaseline } from '../../../core/rebaseline.ts';
import type { Plugin } from '../../../core/types/plugin.ts';
import { createApp } from '../../../http/app.ts';
import { archiveTools } from '../../support/archive-tools.ts';
import {
  type ArchivedNode,
  type AsOfRow,
  archivedNode,
  asOfInStore,
  horizon,
  judge,
  openTestArchive,
  PARTITIONED,
  PLAIN,
  setArchiveOf,
  type World,
} from '../../support/archive-world.ts';
import { runCommand } from '../../support/command.ts';
import { describeNeeding } from '../../support/needs.ts';
import { type Seaweed, startSeaweed } from '../../support/seaweed.ts';

const PLAIN_KEYS = [
  'base',
  'zz',
  '\u{1F600}',
  '\uFFFD',
  'a',
  'moved',
  'lost',
  'after',
  'row 7',
  'row 8',
  'row 2997',
  'none',
];

describeNeeding(archiveTools(), 'archived history that is dropped', () => {
  let seaweed: Seaweed;
  beforeAll(async () => {
    seaweed = await startSeaweed();
    Object.assign(process.env, seaweed.env);
  }, 60_000);
  afterAll(async () => {
    await seaweed?.[Symbol.asyncDispose]();
  });

  const WORLDS: readonly [string, Plugin, World, readonly string[]][] = [
    ['pgoutput, values of all kinds', 'pgoutput', PLAIN, PLAIN_KEYS],
    ['wal2json, values of all kinds', 'wal2json', PLAIN, PLAIN_KEYS],
    ['wal2json, partitions', 'wal2json', PARTITIONED, ['1', '2', '7', '101', '103', '104', '199']],
  ];

  test.each(WORLDS)(
    'answers stay the same: %s',
    async (_, plugin, world, keys) => {
      await using node = await archivedNode(plugin, world);
      const instants = await node.write();
      const before = await allAnswers(node, keys, instants);
      await drop(node);
      const after = await allAnswers(node, keys, instants);
      const plain = (texts: readonly string[]): string[] =>
        texts.map((text) => text.replaceAll(',"tier":"archive"', ''));
      expect(plain(after)).toEqual(plain(before));
      expect(before.filter((text) => text.includes('"tier":"archive"'))).toEqual([]);
      expect(after.filter((text) => text.includes('"tier":"archive"')).length).toBeGreaterThan(keys.length);
    },
    300_000,
  );

  test('what the command line and HTTP say, and what they refuse', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    const instants = await node.write();
    await drop(node);
    const at = instants[2]!;
    const found = await runCommand(['asof', 'things', '--pk', 'a', '--at', at, '--json'], node);
    expect(JSON.parse(found.stdout)).toMatchObject({
      status: 'found',
      row: { n: 3 },
      tier: 'archive',
      final: true,
    });
    const { stdout } = await runCommand(['diff', 'things', '--pk', 'a', '--json'], node);
    const { tier, changes } = JSON.parse(stdout) as { tier: string; changes: { op: string }[] };
    expect([tier, changes.map(({ op }) => op).join('')]).toEqual(['archive', 'IUUTI']);
    const { rows: truncates } = await node.store.query<{ lsn: string }>(
      'SELECT e.lsn::text FROM pgtimewarp.relation_events AS e ORDER BY e.lsn',
    );
    const { lsn } = truncates[0]!;
    for (const refused of [
      ['asof', 'things', '--all', '--at', at],
      ['changes', 'things', '--from', at],
      ['find', 'things', '--where', 'k=a', '--at', at],
      ['transactions'],
      ['transaction', lsn],
      ['restore', 'things', '--at', at, '--all'],
      ['restore', '--transaction', lsn],
    ])
      await expect(runCommand([...refused, '--json'], node), refused.join(' ')).rejects.toMatchObject({
        code: 'ARCHIVED',
      });
    const app = createApp({ withStore: (ask) => ask(node.store), report: () => {} });
    const table = `tables/public.things`;
    for (const path of [
      `${table}/asof?pk=a&at=${at}`, // without a reader
      `${table}/rows?at=${at}`,
      `${table}/rows?at=${at}&order=n&descending=true`,
      `${table}/rows?at=${at}&order=k`,
      `${table}/changes?from=${at}`,
      `${table}/changes?net=true&from=${at}`,
      `${table}/find?where.k=a&at=${at}`,
      `${table}/find?where.k=a&from=${at}`,
      'transactions',
      `transactions/${lsn.replace('/', '-')}`,
      `activity?from=${at}&to=${instants.at(-1)}`,
    ]) {
      const answer = await app.request(`/v1/nodes/${node.node}/${path}`);
      expect([answer.status, await answer.text()], path).toEqual([
        400,
        expect.stringContaining('error:ARCHIVED'),
      ]);
    }
    const { code } = await runCommand(['archive', 'sql', 'things', '--at', at, '--json'], node);
    expect(code).toBe(0);
    const { rows: periods } = await node.store.query<{ start: string; is_before: boolean }>(
      'SELECT r.tracked_from_lsn::text AS start, r.tracked_from_lsn < r.baseline_lsn AS is_before FROM pgtimewarp.tracked_relations AS r',
    );
    const [{ start, is_before }] = periods as [(typeof periods)[0]];
    expect(is_before).toBe(true);
    const early = runCommand(['archive', 'sql', 'things', '--at', start, '--json'], node);
    await expect(early, 'while rows were being read').rejects.toMatchObject({ code: 'ROWS_UNKNOWN' });
    const { code: verified } = await runCommand(['archive', 'verify', '--json'], node);
    expect(verified).toBe(0);
  }, 300_000);

  test('a file that is gone or another makes the answer unknown, never absent', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    const instants = await node.write();
    await drop(node);
    const { rows } = await node.store.query<{ path: string }>(
      'SELECT f.path FROM pgtimewarp.archive_files AS f ORDER BY f.unit',
    );
    const ask = async (): Promise<object> => {
      const { stdout, code } = await runCommand(
        ['asof', 'things', '--pk', 'a', '--at', instants[2]!, '--json'],
        node,
      );
      return { code, ...(JSON.parse(stdout) as object) };
    };
    expect(await ask()).toMatchObject({ code: 0, status: 'found' });
    const { client } = openTestArchive().objects;
    for (const { path } of rows) {
      const { bucket, key } = parseS3Url(path);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.alloc(500_000) }));
    }
    const damaged = { code: 4, status: 'unknown', reason: 'archive_damaged', final: false, row: null };
    expect(await ask()).toMatchObject(damaged);
    for (const { path } of rows) {
      const { bucket, key } = parseS3Url(path);
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    }
    expect(await ask()).toMatchObject(damaged);
    await expect(runCommand(['diff', 'things', '--pk', 'a', '--json'], node)).rejects.toMatchObject({
      code: 'ARCHIVE_DAMAGED',
    });
    await node.store.query('DELETE FROM pgtimewarp.archive_files');
    expect(await ask()).toMatchObject(damaged);
  }, 300_000);

  test('what a repair has read is archived after the units that were there before, and dropped like all else', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    await node.write();
    await setArchiveOf(node, 'things');
    await node.store.query(`DELETE FROM pgtimewarp.row_changes WHERE pk IN ('["after"]', '["row 8"]')`); // as if they were lost
    await archiveRun({ ...node, target: openTestArchive() });
    const { differences } = await rebaseline({ ...node, table: { schema: 'public', name: 'things' } });
    expect(differences).toBe(2);
    const { code } = await runCommand(['archive', 'verify', '--json'], node);
    expect(code, 'the repair wrote nothing into a unit').toBe(0);
    const instants = [await horizon(node)];
    for (const change of [
      "UPDATE things SET n = 5 WHERE k = 'after'",
      "DELETE FROM things WHERE k = 'row 7'",
    ]) {
      await node.source.query(change);
      await node.poll();
      instants.push(await horizon(node));
    }
    const before: AsOfRow[][] = [];
    for (const at of instants) before.push(await asOfInStore(node, at));
    await drop(node);
    const { asOf } = await judge(seaweed, node, instants);
    expect(asOf).toEqual(before);
    expect(before[0]!.filter(({ op }) => op === 'S')).toHaveLength(2);
  }, 300_000);

  test('nothing is dropped that is not verified', async () => {
    await using node = await archivedNode('pgoutput', PLAIN);
    await node.write();
    await setArchiveOf(node, 'things', true);
    await archiveRun({ ...node, target: openTestArchive() });
    await node.store.query(`UPDATE pgtimewarp.archive_units SET state = 'committed' WHERE unit = 1`);
    const count = async (): Promise<number> =>
      (await node.store.query<{ n: number }>('SELECT count(*)::int AS n FROM pgtimewarp.row_changes'))
        .rows[0]!.n;
    const all = await count();
    for (let runs = 0; runs < 3; runs++) {
      await sleep(300);
      await node.poll();
    }
    expect(await count()).toBe(all);
    await node.store.query(`UPDATE pgtimewarp.archive_units SET state = 'verified'`);
    await drop(node);
  }, 300_000);

  /** Runs until the history is dropped. */
  async function drop(node: ArchivedNode): Promise<void> {
    await setArchiveOf(node, 'things', true);
    for (let tries = 0; tries < 20; tries++) {
      await node.poll();
      await sleep(400);
      await node.poll();
      await archiveRun({ ...node, target: openTestArchive() });
      await node.poll();
      const { rows } = await node.store.query(
        "SELECT FROM pgtimewarp.relation_ranges WHERE is_base AND state = 'attached'",
      );
      const { rows: later } = await node.store.query<{ done: boolean }>(
        `SELECT bool_and(a.before_lsn > (SELECT max(c.valid_from_lsn) FROM pgtimewarp.row_changes AS c)) AS done
           FROM pgtimewarp.archive_cutoffs AS a`,
      );
      if (rows.length > 0 && later[0]!.done) return;
    }
    throw new Error('nothing was dropped');
  }

  /** As-of and diff of every key, at and between all instants, over HTTP. Without what moves with the horizon. */
  async function allAnswers(
    node: ArchivedNode,
    keys: readonly string[],
    instants: readonly string[],
  ): Promise<string[]> {
    const app = createApp({
      withStore: (ask) => ask(node.store),
      report: () => {},
      readArchive: archiveReader(() => openTestArchive().objects),
    });
    const base = `/v1/nodes/${node.node}/tables/public.things`;
    const texts: string[] = [];
    const ask = async (path: string, init?: RequestInit): Promise<void> => {
      const response = await app.request(`${base}/${path}`, init);
      texts.push(`${path} ${response.status} ${await response.text()}`.replace(/"horizon":\{[^}]*\}/g, ''));
    };
    for (const key of keys) {
      const pk = `pk=${encodeURIComponent(key)}`;
      for (const at of instants) await ask(`asof?${pk}&at=${at}`);
      const ends = [instants[1]!, instants[4]!, instants.at(-1)!];
      for (const [index, from] of ends.entries())
        for (const to of ends.slice(index)) await ask(`diff?${pk}&from=${from}&to=${to}`);
      await ask(`diff?${pk}&to=${instants.at(-1)}&limit=2`);
    }
    const body = JSON.stringify({ keys });
    for (const at of instants)
      await ask(`asof:batch?at=${at}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    return texts;
  }
});
