/**
 * What a node answers before its archived history is dropped it answers after that, from real sources: the command line and HTTP, keys that
 * moved, values of all kinds, partitions that were truncated. Damage is never "absent", and a run that is killed while it drops loses nothing.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveRun } from '../../../core/archive/archive-run.ts';
import { parseS3Url } from '../../../core/archive/object-store.ts';
import { KEY_LIMITS, type Limits } from '../../../core/archive/ranges.ts';
import { archiveReader } from '../../../core/archive/read-archived.ts';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
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
      `${table}/rows?at=${at}`, // likewise
      `${table}/rows?at=${at}&order=n&descending=true`,
      `${table}/rows?at=${at}&order=k`,
      `${table}/changes?from=${at}`, // likewise
      `${table}/changes?net=true&from=${at}`, // likewise
      `${table}/find?where.k=a&at=${at}`, // likewise
      `${table}/find?where.k=a&from=${at}`, // likewise
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

  test.each<Plugin>(['pgoutput', 'wal2json'])(
    'whole tables by the command line, before and after: %s',
    async (plugin) => {
      await using node = await archivedNode(plugin, PLAIN);
      const instants = await node.write();
      const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-'));
      const answers = async (name: string): Promise<string[]> => {
        const texts: string[] = [];
        for (const [number, at] of instants.entries()) {
          const all = ['asof', 'things', '--all', '--at', at];
          for (const form of [
            ['--format', 'csv'],
            ['--format', 'ndjson'],
            ['--json'],
            ['--where', 'k=a', '--json'],
          ]) {
            const text = await runCommand([...all, ...form], node).then(
              ({ stdout }) => stdout,
              describeError,
            );
            texts.push(text.replace(/"horizon":\{[^}]*\}/g, ''));
          }
          const to = join(folder, `${name}-${number}`);
          const file = join(to, 'public.things.csv');
          const exported = runCommand(['export', '--at', at, '--to', to], node);
          texts.push(await exported.then(() => readFile(file, 'utf8'), describeError));
        }
        return texts;
      };
      try {
        const before = await answers('before');
        await drop(node);
        const after = await answers('after');
        expect(after.map((text) => text.replaceAll(',"tier":"archive"', ''))).toEqual(before);
        expect(after.filter((text) => text.includes('"tier":"archive"')).length).toBeGreaterThan(5);
        const isLarge = before.some((text) => text.split('\n').length > 2500);
        expect(isLarge).toBe(plugin === 'pgoutput'); // of the other, rows of that time are not known
        const all = ['asof', 'things', '--all', '--unknown', 'skip', '--at', instants[2]!];
        const { stdout } = await runCommand(all, node);
        expect(stdout).toContain('from the archive');
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    300_000,
  );

  test('what a question may cost: pages end earlier, and intervals are refused', async () => {
    await using node = await archivedNode('pgoutput', {
      tables: 'CREATE TABLE things (k int PRIMARY KEY, n int)',
      steps: [
        'INSERT INTO things SELECT n, n FROM generate_series(1, 9000) AS n',
        'UPDATE things SET n = -n WHERE k > 7000',
        'UPDATE things SET n = 0 WHERE k = 4711',
        'DELETE FROM things WHERE k % 3 = 0',
      ],
    });
    const instants = await node.write();
    const at = instants[3]!;
    const all = async (
      path: string,
      limits?: Limits,
    ): Promise<{ rows: unknown[]; pages: number; empty: number }> => {
      const reader = archiveReader(
        () => openTestArchive().objects,
        limits === undefined ? {} : { table: limits },
      );
      const app = createApp({ withStore: (ask) => ask(node.store), report: () => {}, readArchive: reader });
      const found = { rows: [] as unknown[], pages: 0, empty: 0 };
      for (let cursor = ''; ; found.pages += 1) {
        const response = await app.request(`/v1/nodes/${node.node}/tables/public.things/${path}${cursor}`);
        const page = (await response.json()) as { rows: unknown[]; next: string | null; type?: string };
        if (response.status !== 200) throw new Error(page.type);
        found.rows.push(...page.rows);
        if (page.rows.length === 0) found.empty += 1;
        if (page.next === null) return found;
        cursor = `&cursor=${encodeURIComponent(page.next)}`;
      }
    };
    const [whole, one] = [`rows?at=${at}`, `rows?at=${at}&where.n=0`];
    const before = [await all(whole), await all(one)];
    await drop(node);
    expect(await all(whole)).toMatchObject({ rows: before[0]!.rows });
    expect(await all(one)).toMatchObject({ rows: before[1]!.rows, pages: 0 });
    const small = { requests: 60, bytes: 400_000, gap: 0 };
    expect(await all(whole, small)).toMatchObject({ rows: before[0]!.rows });
    const found = await all(one, small);
    expect(found.rows).toEqual(before[1]!.rows);
    expect(found.rows).toHaveLength(1);
    expect(found.empty).toBeGreaterThan(0);
    await expect(all(whole, { ...small, bytes: 1000 })).rejects.toThrow('ARCHIVE_TOO_MUCH');
    const changes = (from: string, to: string) =>
      runCommand(['changes', 'things', '--from', from, '--to', to, '--json'], node);
    await expect(changes(instants[0]!, instants[2]!)).rejects.toMatchObject({ code: 'ARCHIVE_TOO_MUCH' });
    const { stdout } = await changes(instants[1]!, instants[2]!);
    expect((JSON.parse(stdout) as { changes: unknown[] }).changes).toHaveLength(2000);
  }, 300_000);

  test('a question that needs very many versions of a key is refused before they are read', async () => {
    await using node = await archivedNode('pgoutput', {
      tables: 'CREATE TABLE things (k int PRIMARY KEY, n int); INSERT INTO things VALUES (1, 0)',
      steps: [
        'DO $$ BEGIN FOR g IN 1 .. 8000 LOOP UPDATE things SET n = g WHERE k = 1; END LOOP; END $$',
        'UPDATE things SET n = 1',
      ],
    });
    const instants = await node.write();
    await drop(node);
    const ask = async (query: string, rows: number): Promise<string> => {
      const keys = { ...KEY_LIMITS, rows };
      const readArchive = archiveReader(() => openTestArchive().objects, { keys });
      const app = createApp({ withStore: (each) => each(node.store), report: () => {}, readArchive });
      return await (await app.request(`/v1/nodes/${node.node}/tables/public.things/${query}`)).text();
    };
    const diff = `diff?pk=1&to=${instants[1]}&limit=2`;
    expect(await ask(diff, 1000)).toContain('ARCHIVE_TOO_MUCH');
    expect(await ask(diff, 10_000)).toContain('"n":1');
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
    const all = ['asof', 'things', '--all', '--at', instants[2]!, '--json'];
    expect(await ask()).toMatchObject({ code: 0, status: 'found' });
    expect((await runCommand(all, node)).code).toBe(0);
    const { client } = openTestArchive().objects;
    for (const { path } of rows) {
      const { bucket, key } = parseS3Url(path);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.alloc(500_000) }));
    }
    const damaged = { code: 4, status: 'unknown', reason: 'archive_damaged', final: false, row: null };
    expect(await ask()).toMatchObject(damaged);
    await expect(runCommand(all, node)).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' });
    for (const { path } of rows) {
      const { bucket, key } = parseS3Url(path);
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    }
    expect(await ask()).toMatchObject(damaged);
    await expect(runCommand(all, node)).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' });
    await expect(runCommand(['diff', 'things', '--pk', 'a', '--json'], node)).rejects.toMatchObject({
      code: 'ARCHIVE_DAMAGED',
    });
    await node.store.query('DELETE FROM pgtimewarp.archive_files');
    expect(await ask()).toMatchObject(damaged);
    await expect(runCommand(all, node)).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' });
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
    for (const at of instants) {
      for (const query of [`at=${at}`, `at=${at}&limit=700`, `at=${at}&where.k=${keys[4]}`])
        await askPages(query);
      await ask(`rows?at=${at}`, { headers: { accept: 'application/x-ndjson' } });
    }
    for (const at of instants)
      for (const key of keys.slice(3, 7)) {
        await ask(`find?at=${at}&where.k=${encodeURIComponent(key)}`);
        await ask(`find?from=${at}&to=${instants.at(-1)}&limit=2&where.k=${encodeURIComponent(key)}`);
      }
    for (const [index, from] of instants.entries())
      for (const to of instants.slice(index + 1, index + 3)) {
        for (const query of ['limit=1000', 'limit=7', 'net=true', 'net=true&limit=7', `where.k=${keys[4]}`])
          await ask(`changes?from=${from}&to=${to}&${query}`);
        await ask(`../../transactions?from=${from}&to=${to}`);
      }
    const { rows: commits } = await node.store.query<{ lsn: string }>(
      `SELECT m.lsn::text FROM pgtimewarp.lsn_time_map AS m WHERE m.node_id = $1 AND m.xid IS NOT NULL ORDER BY m.lsn`,
      [node.node],
    );
    for (const { lsn } of commits) await ask(`../../transactions/${lsn.replace('/', '-')}?limit=1000`);
    return texts;

    async function askPages(query: string): Promise<void> {
      for (let next: string | null = ''; next !== null; ) {
        const cursor: string = next === '' ? '' : `&cursor=${encodeURIComponent(next)}`;
        await ask(`rows?${query}${cursor}`);
        next = /"next":"([^"]*)"\}$/.exec(texts.at(-1)!)?.[1] ?? null;
      }
    }
  }
});

function describeError(error: unknown): string {
  if (error instanceof TimewarpError) return error.message;
  throw error;
}
