/**
 * Every change is stored exactly once. `pgtimewarp poll` is killed at random moments of a backlog, and several pollers run at
 * once. Both leave the store that one undisturbed run leaves.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Backlog, makeBacklog, onDatabase, pgbench } from '../support/backlog.ts';
import { allOf, clientProgram, describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { runCli, spawnCli } from '../support/run-cli.ts';
import { serverInfo } from '../support/server-info.ts';

const KILLS = 10;
const TRANSACTIONS = process.env.CRASH_TRANSACTIONS ?? '6000';

for (const plugin of PLUGINS) {
  describeNeeding(allOf(needOf(plugin), clientProgram('pgbench')), `poll through ${plugin}`, () => {
    let backlog: Backlog;

    beforeAll(async () => {
      const { adminUrl, binDir } = serverInfo();
      backlog = await makeBacklog({
        plugin,
        sourceServer: adminUrl,
        storeServer: adminUrl,
        prepare: async (url) => {
          await pgbench(binDir, url, '-i', '-s', '2', '-q');
          await onDatabase(url, WIDE);
        },
        tables: ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches', 'wide'],
        write: async (url) => {
          const transactions = [
            '-c',
            '4',
            '-j',
            '2',
            '-n',
            '-t',
            String(Math.ceil(Number(TRANSACTIONS) / 8)),
          ];
          await pgbench(binDir, url, ...transactions);
          await onDatabase(url, LARGE_TRANSACTION);
          await pgbench(binDir, url, ...transactions);
        },
      });
    });

    afterAll(async () => {
      await backlog?.[Symbol.asyncDispose]();
    });

    test('killed at ten random moments and run again, it leaves what an undisturbed run leaves', async () => {
      const fork = await backlog.fork();
      const startMs = await millisecondsUntilRuns(fork.env);
      const moments: number[] = [];
      for (let kill = 0; kill < KILLS; kill++) {
        const afterMs = Math.round(startMs + Math.random() * backlog.undisturbedMs);
        const { child, result } = spawnCli(['poll', '--json'], { env: fork.env, timeoutMs: 120_000 });
        await sleep(afterMs);
        child.kill('SIGKILL');
        const ended = await result;
        moments.push(afterMs);
        expect(ended.signal === 'SIGKILL' || ended.code === 0, `${ended.stderr} at ${moments}`).toBe(true);
      }
      const last = await runCli(['poll', '--json'], { env: fork.env, timeoutMs: 120_000 });
      expect(last, `killed after ${moments} ms`).toMatchObject({ code: 0 });
      expect(last.json()).toMatchObject({ outcome: 'done', caught_up: true });
      expect(await fork.dump(), `killed after ${moments} ms`).toEqual(backlog.undisturbed);
      await fork.drop();
    });

    test('three pollers at once end with exit code 0 and leave what one leaves', async () => {
      const fork = await backlog.fork();
      const runs = await Promise.all(
        [1, 2, 3].map(() => runCli(['poll', '--json'], { env: fork.env, timeoutMs: 120_000 })),
      );
      expect(runs.map((run) => run.code)).toEqual([0, 0, 0]);
      expect(runs.map((run) => (run.json() as { outcome: string }).outcome)).toContain('done');
      expect(await fork.dump()).toEqual(backlog.undisturbed);
      await fork.drop();
    });
  });
}

/** A table whose large values are not part of updates that do not change them. */
const WIDE = `
  CREATE TABLE wide (id int PRIMARY KEY, n int NOT NULL, body text NOT NULL);
  ALTER TABLE wide ALTER COLUMN body SET STORAGE EXTERNAL;
  INSERT INTO wide SELECT i, 0, repeat(md5(i::text), 100) FROM generate_series(1, 200) AS i`;

/** More than memory holds, so it is written in parts; with changed keys, unchanged large values and truncates. */
const LARGE_TRANSACTION = `
  BEGIN;
  INSERT INTO wide SELECT 1000 + i, i, repeat(md5(i::text), 20) FROM generate_series(1, 30000) AS i;
  UPDATE wide SET n = n + 1 WHERE id <= 200;
  UPDATE wide SET id = id + 1000000 WHERE id BETWEEN 1001 AND 1500;
  DELETE FROM wide WHERE id BETWEEN 1501 AND 2000;
  COMMIT;
  BEGIN; UPDATE pgbench_tellers SET tbalance = tbalance + 1; TRUNCATE pgbench_tellers; COMMIT;
  INSERT INTO pgbench_tellers SELECT i, 1, 0 FROM generate_series(1, 20) AS i;
  UPDATE wide SET n = n + 1 WHERE id <= 200`;

/** The time that the command line needs to start, before the run begins. */
async function millisecondsUntilRuns(env: Readonly<Record<string, string>>): Promise<number> {
  const started = performance.now();
  await runCli(['status', '--json'], { env });
  return (performance.now() - started) * 0.8;
}
