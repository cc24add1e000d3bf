/**
 * Several runs of one node at once: one works, the others end as busy at once. A frozen run is replaced after its lease, and
 * writes nothing when it wakes up. A run without progress reports that.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { poll } from '../../core/poll.ts';
import { claimNode } from '../../core/store/node/claim.ts';
import { recordNoProgress } from '../../core/store/node/no-progress.ts';
import { finishRun } from '../../core/store/node/run-outcome.ts';
import { parseLsn } from '../../core/types/lsn.ts';
import { type Backlog, type Fork, makeBacklog, onDatabase, runToEnd } from '../support/backlog.ts';
import { CRASH_TABLES, prepareCrashTables, writeCrashHistory } from '../support/crash-history.ts';
import { describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { runCli } from '../support/run-cli.ts';
import { serverInfo } from '../support/server-info.ts';
import { runUntil, type StoppedRun } from '../support/stopped-run.ts';
import { connectForTest } from '../support/test-client.ts';
import { LEASES_ARE_PAST, slotPosition } from './faults.ts';

const IN_COPY = 'store: COPY row_changes, inside';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `runs through ${plugin} that overlap`, () => {
    let backlog: Backlog;
    let fork: Fork;

    beforeAll(async () => {
      const { adminUrl } = serverInfo();
      backlog = await makeBacklog({
        plugin,
        sourceServer: adminUrl,
        storeServer: adminUrl,
        prepare: prepareCrashTables,
        tables: CRASH_TABLES,
        write: writeCrashHistory,
      });
    });

    afterAll(async () => {
      await backlog?.[Symbol.asyncDispose]();
    });

    test('while one run works, seven others end as busy with exit code 0, within a second', async () => {
      fork = await backlog.fork();
      const working = await runUntil(fork, IN_COPY);
      expect(working.stopped).toBe(true);
      const started = performance.now();
      const others = await Promise.all(Array.from({ length: 7 }, () => poll(fork)));
      const tookMs = performance.now() - started;
      expect(others.map((other) => other.outcome)).toEqual(Array(7).fill('busy'));
      expect(tookMs, 'all seven, beside each other').toBeLessThan(7_000);
      const command = await runCli(['poll', '--json'], { env: fork.env });
      expect(command.code).toBe(0);
      expect(command.json()).toMatchObject({ outcome: 'busy', changes: 0 });
      working.resume('go');
      expect((await working.ended).code).toBe(0);
      await runToEnd(fork);
      expect(await fork.dump()).toEqual(backlog.undisturbed);
      await fork.drop();
    });

    test('a run frozen by SIGSTOP in the middle of COPY is replaced after its lease, and writes nothing when it wakes up', async () => {
      fork = await backlog.fork();
      await onDatabase(fork.storeUrl, LEASES_ARE_PAST);
      const frozen = await runUntil(fork, IN_COPY);
      await freeze(frozen);
      expect(await poll(fork)).toMatchObject({ outcome: 'done', caughtUp: true });
      const before = [await slotPosition(fork), ...(await fork.dump())];
      frozen.child.kill('SIGCONT');
      const end = await frozen.ended;
      expect([0, 1], end.stderr).toContain(end.code);
      expect([await slotPosition(fork), ...(await fork.dump())]).toEqual(before);
      expect(await fork.dump()).toEqual(backlog.undisturbed);
      await fork.drop();
    });

    test('runs without progress are counted; one event warns, one fails', async () => {
      fork = await backlog.fork();
      const store = await connectForTest(fork.storeUrl);
      try {
        const claim = (await claimNode(store, fork.node, 60))!;
        for (let run = 1; run <= 4; run++) await recordNoProgress(store, claim, parseLsn('F/0'));
        await finishRun(store, claim, { outcome: 'deadline', caughtUp: false });
        const events = await store.query(
          `SELECT severity, meta ->> 'runs' AS runs FROM pgtimewarp.health_events WHERE code = 'NO_PROGRESS' ORDER BY id`,
        );
        expect(events.rows).toEqual([
          { severity: 'warn', runs: '1' },
          { severity: 'fail', runs: '3' },
        ]);
      } finally {
        await store.end();
      }
      const doctor = await runCli(['doctor', '--json'], { env: fork.env });
      expect(doctor.code).toBe(1);
      const { checks } = doctor.json() as { checks: { code: string; status: string; remedy: string }[] };
      expect(checks.find((check) => check.code === 'no_progress')).toMatchObject({
        status: 'fail',
        remedy: expect.stringContaining('pgtimewarp poll'),
      });
      await runToEnd(fork);
      expect(await fork.dump()).toEqual(backlog.undisturbed);
      await fork.drop();
    });
  });
}

/** Freezes the stopped process with SIGSTOP. */
async function freeze(run: StoppedRun): Promise<void> {
  expect(run.stopped).toBe(true);
  run.child.kill('SIGSTOP');
  run.resume('go'); // the process reads this only after it wakes up
}
