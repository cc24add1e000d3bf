/** The WAL that the slot keeps is compared with a budget; if configured, runs drop the slot before the disk is full. */
import { expect, test } from 'vitest';
import { diagnose } from '../../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../../core/doctor/facts.ts';
import { type OwnSource, ownSource } from '../../../support/own-source.ts';
import { runCli } from '../../../support/run-cli.ts';
import { connectForTest } from '../../../support/test-client.ts';

const NOISE = `SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) FROM generate_series(1, 7)`;

async function budgetCheck(
  node: OwnSource,
): Promise<{ status: string; message: string; remedy: string | null }> {
  const { checks } = diagnose(await gatherFacts(node.urls));
  return checks.find((check) => check.code === 'wal_budget')!;
}

test('warning at 50 %, failing at 80 %, with what pins WAL; release-slot by hand, and by runs only if configured', async () => {
  await using node = await ownSource({ plugin: 'pgoutput', settings: { max_slot_wal_keep_size: '20MB' } });
  const cli = (...args: string[]) => runCli([...args, '--json'], { env: node.env });
  expect(await budgetCheck(node)).toMatchObject({ status: 'ok' }); // half of 20 MB
  const session = await connectForTest(node.urls.sourceUrl);
  await session.query('BEGIN; UPDATE orders SET total = 0 WHERE id = 3');
  const { rows } = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  await node.poll();
  await node.sql(NOISE);
  await node.poll();
  const warned = await budgetCheck(node);
  expect(warned).toMatchObject({ status: 'warn' });
  expect(warned.message).toContain(`pid ${rows[0]!.pid}`);
  expect(warned.remedy).toContain(`pg_terminate_backend(${rows[0]!.pid})`);
  await node.sql(NOISE);
  await node.poll();
  expect(await budgetCheck(node)).toMatchObject({ status: 'fail' });

  expect((await node.poll()).outcome).toBe('done'); // over the budget, but runs are not configured to drop the slot
  expect((await cli('release-slot', '--automatic', 'on', '--budget', '5MB')).json()).toMatchObject({
    slot_budget_bytes: 5 * 1024 * 1024,
    automatic: true,
  });
  expect(await node.poll()).toMatchObject({ outcome: 'gap', reason: expect.stringContaining('budget') });
  expect(await node.events()).toEqual(['SLOT_RELEASED']);
  expect((await node.sql('SELECT FROM pg_replication_slots')).rowCount).toBe(0);
  await session.query('ROLLBACK');
  await session.end();

  const back = await cli('rebaseline', '--node');
  expect(back.code, back.stderr).toBe(0);
  expect(await node.state('3')).toBe('found 30');
  expect((await cli('release-slot', '--yes')).json()).toMatchObject({ dropped: true });
  expect((await node.gaps()).at(-1)).toMatchObject({ code: 'SLOT_RELEASED', to_ts: null });
  expect(await node.state('3')).toBe('unknown in_gap');
});
