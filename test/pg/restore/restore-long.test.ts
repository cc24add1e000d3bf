/** A restore that takes long says what it does; Ctrl-C rolls it back; afterwards the history is compared with what was put back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import { type TransactionSummary, transactions } from '../../../core/query/transactions.ts';
import { planRestore } from '../../../core/restore/plan-restore.ts';
import { requireExactHistory } from '../../../core/restore/verify-restore.ts';
import { runCommand } from '../../support/command.ts';
import { PLUGINS } from '../../support/plugins.ts';
import { spawnCli } from '../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(120); RETURN NEW; END $$;
INSERT INTO t VALUES (1, 1), (2, 2);`;

describe.each(PLUGINS)('a long restore (%s)', (plugin) => {
  let node: TrackedNode;
  let mistake: TransactionSummary;

  beforeAll(async () => {
    node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
    await node.catchUp();
    await node.source.query('UPDATE t SET v = v + 10');
    await node.catchUp();
    const page = await transactions(node.store, { node: node.node, from: null, to: null, limit: 1 });
    mistake = page.transactions[0]!;
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  const values = async (): Promise<number[]> =>
    (await node.source.query<{ v: number }>('SELECT v FROM t ORDER BY id')).rows.map(({ v }) => v);

  async function interruptedAt(step: string) {
    const flags = ['restore', '--transaction', mistake.lsn, '--apply', '--lock-timeout', '120'];
    const env = {
      PGTIMEWARP_SOURCE_URL: node.sourceUrl,
      PGTIMEWARP_STORE_URL: node.storeUrl,
      PGTIMEWARP_NODE: node.node,
    };
    const { child, result } = spawnCli(flags, { env, timeoutMs: 100_000 });
    let said = '';
    child.stderr.on('data', (text: string) => {
      said += text;
    });
    while (!said.includes(step) && child.exitCode === null) await sleep(50);
    const since = performance.now();
    child.kill('SIGINT');
    const ended = await result;
    const { rows } = await node.source.query<{ others: number }>(
      `SELECT count(*)::int AS others FROM pg_locks WHERE relation = 't'::regclass AND pid <> pg_backend_pid()`,
    );
    return { ...ended, seconds: (performance.now() - since) / 1000, locks: rows[0]!.others };
  }

  test('Ctrl-C while it waits for a lock rolls back and says so', async () => {
    const session = await connect(node.sourceUrl, { side: 'source', node: node.node });
    await session.query('BEGIN; UPDATE public.t SET v = v WHERE id = 2');
    try {
      const { code, stderr } = await interruptedAt('locking the rows');
      expect({ code, stderr }).toMatchObject({
        code: 130,
        stderr: expect.stringContaining('nothing was changed'),
      });
    } finally {
      await session.query('ROLLBACK');
      await session.end();
    }
    expect(await values()).toEqual([11, 12]);
  }, 120_000);

  test('Ctrl-C while it writes cancels the statement', async () => {
    await node.source.query('CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION slow()');
    try {
      const { code, stderr, locks, seconds } = await interruptedAt('writing the rows');
      expect({ code, stderr, locks }).toMatchObject({
        code: 130,
        stderr: expect.stringContaining('nothing was changed'),
        locks: 0,
      });
      expect(seconds).toBeLessThan(60); // the trigger alone takes longer
    } finally {
      await node.source.query('DROP TRIGGER slow ON t');
    }
    expect(await values()).toEqual([11, 12]);
  }, 120_000);

  test('what the history holds of the restore is compared with what was put back', async () => {
    const undo = { kind: 'transactions', transactions: [mistake] } as const;
    const asked = {
      node: node.node,
      undo,
      maxRows: 10,
      skipConflicts: false,
      noTriggers: false,
      lockTimeoutMs: 1_000,
    };
    const { tables } = await planRestore({ store: node.store, source: null }, asked);
    const { stdout } = await runCommand(['restore', '--transaction', mistake.lsn, '--apply', '--json'], node);
    expect(await values()).toEqual([1, 2]);
    const { lsn } = JSON.parse(stdout) as { lsn: string };
    await requireExactHistory(node.store, { lsn, tables, conflicts: [] });

    await node.store.query(
      `UPDATE pgtimewarp.row_changes SET row_data = '{"id":2,"v":9}' WHERE pk = '["2"]' AND valid_from_lsn = $1::pg_lsn`,
      [lsn],
    );
    const compared = requireExactHistory(node.store, { lsn, tables, conflicts: [] });
    await expect(compared).rejects.toMatchObject({
      code: 'RESTORE_DIFFERS',
      message: expect.stringMatching(new RegExp(`committed at ${lsn}, .*: public\\.t \\{"id":"2"\\}\\.$`)),
    });
    const conflict = {
      schema: 'public',
      table: 't',
      pkText: '{"id":"2"}',
      reason: 'gone',
      expectedText: null,
      foundText: null,
    };
    await requireExactHistory(node.store, { lsn, tables, conflicts: [conflict] });
  });
});
