/**
 * Restores under TPC-B. Mistakes are planted, and conflicts with them; pgbench goes on writing to the same rows. Reported is what was
 * planted, no later write is lost (accounts, tellers, branches and the history of amounts agree), and a restore that is killed
 * at any moment is applied as a whole or not at all. RESTORE_PGBENCH_ROUNDS makes it longer (2), RESTORE_SEED repeats the choices.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { runCommand } from '../../support/command.ts';
import { allOf, clientProgram, describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { random } from '../../support/retention-twins.ts';
import { spawnCli } from '../../support/run-cli.ts';
import { serverInfo } from '../../support/server-info.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const ROUNDS = Number.parseInt(process.env.RESTORE_PGBENCH_ROUNDS ?? '2', 10);
const SEED = Number.parseInt(process.env.RESTORE_SEED ?? '1', 10);
const ACCOUNTS = 300;
/** pgbench does not touch these. */
const QUIET = 30;
const BONUS = 100_000;
const SCRIPT = `
\\set aid random(1, ${ACCOUNTS - QUIET})
\\set tid random(1, 10)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE accounts SET balance = balance + :delta WHERE id = :aid;
UPDATE tellers SET balance = balance + :delta WHERE id = :tid;
UPDATE branches SET balance = balance + :delta WHERE id = 1;
INSERT INTO amounts (account, delta) VALUES (:aid, :delta);
END;`;
const TABLES = `
CREATE TABLE branches (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE tellers (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, note text NOT NULL);
CREATE TABLE amounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account int, delta bigint);
INSERT INTO branches VALUES (1, 0);
INSERT INTO tellers SELECT g, 0 FROM generate_series(1, 10) AS g;
INSERT INTO accounts SELECT g, 0, 'ok' FROM generate_series(1, ${ACCOUNTS}) AS g;`;

for (const plugin of PLUGINS) {
  describeNeeding(
    allOf(needOf(plugin), clientProgram('pgbench')),
    `restore under pgbench (${plugin})`,
    () => {
      test(
        `${ROUNDS} rounds, seed ${SEED}`,
        async () => {
          await using node = await trackedNode({
            plugin,
            tables: TABLES,
            track: ['branches', 'tellers', 'accounts', 'amounts'],
          });
          await node.catchUp();
          await using load = await startLoad(node);
          const dice = random(SEED);
          const told = { reported: 0, restored: 0, unplanned: 0, killed: 0, whole: 0, nothing: 0 };
          for (let round = 0; round < ROUNDS; round++) {
            await plantedConflicts(node, dice, told);
            await laterWrites(node, dice, told);
            for (const how of ['SIGKILL', 'terminate'] as const) await killed(node, dice, { how, told });
          }
          expect(load.child.exitCode, 'pgbench has ended').toBeNull();
          console.log(`restore under pgbench, ${plugin}, seed ${SEED}: ${JSON.stringify(told)}`);
          expect(told.reported).toBeGreaterThan(0);
          expect(told.restored).toBeGreaterThan(0);
        },
        120_000 + ROUNDS * 240_000,
      );
    },
  );
}

interface Told {
  reported: number;
  restored: number;
  unplanned: number;
  killed: number;
  whole: number;
  nothing: number;
}
type Dice = (below: number) => number;

async function startLoad(node: TrackedNode): Promise<AsyncDisposable & { readonly child: ChildProcess }> {
  const file = join(tmpdir(), `restore-tpcb-${process.pid}-${node.plugin}.sql`);
  await writeFile(file, SCRIPT);
  const flags = ['-n', '-c', '2', '-R', '40', '-T', '100000', '-f', file, node.sourceUrl];
  const child = spawn(join(serverInfo().binDir, 'pgbench'), flags, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('close', resolve));
  return {
    child,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

/** In one statement, so that all sums are of one moment. @returns what accounts have more than all amounts */
async function surplus(node: TrackedNode): Promise<number> {
  const { rows } = await node.source.query<{ surplus: number; tellers: number; branches: number }>(
    `SELECT (a.sum - d.sum)::int AS surplus, (t.sum - d.sum)::int AS tellers, (b.sum - d.sum)::int AS branches
       FROM (SELECT sum(balance) FROM accounts) AS a, (SELECT sum(balance) FROM tellers) AS t,
            (SELECT sum(balance) FROM branches) AS b, (SELECT coalesce(sum(delta), 0) AS sum FROM amounts) AS d`,
  );
  expect(rows[0]).toMatchObject({ tellers: 0, branches: 0 });
  return rows[0]!.surplus;
}

/** Reads the log up to the mistake. @returns its commit LSN */
async function mistake(node: TrackedNode, sql: string): Promise<string> {
  await node.source.query('BEGIN');
  const { rows } = await node.source.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
  await node.source.query(sql);
  await node.source.query('COMMIT');
  await node.poll();
  const found = await node.store.query<{ lsn: string }>(
    'SELECT m.lsn::text AS lsn FROM pgtimewarp.lsn_time_map AS m WHERE m.xid = $1::bigint',
    [rows[0]!.xid],
  );
  return found.rows[0]!.lsn;
}

interface Answer {
  readonly applied: boolean;
  readonly conflicts: readonly { readonly pk: { readonly id: string }; readonly reason: string }[];
  readonly tables: readonly { readonly updates: number }[];
}

async function restore(node: TrackedNode, ...args: string[]): Promise<Answer> {
  const { stdout } = await runCommand(['restore', ...args, '--json'], node);
  return JSON.parse(stdout) as Answer;
}

function chosen(dice: Dice, count: number, from: number, to: number): number[] {
  const found = new Set<number>();
  while (found.size < count) found.add(from + dice(to - from + 1));
  return [...found].sort((a, b) => a - b);
}

const idsOf = ({ conflicts }: Answer): number[] =>
  conflicts.map(({ pk }) => Number.parseInt(pk.id, 10)).sort((a, b) => a - b);

/** A column that pgbench does not write, in rows that it writes: what is in conflict is exactly what was planted. */
async function plantedConflicts(node: TrackedNode, dice: Dice, told: Told): Promise<void> {
  const rows = chosen(dice, 20, 1, ACCOUNTS);
  const planted = rows.filter(() => dice(4) === 0);
  const lsn = await mistake(node, `UPDATE accounts SET note = 'wrong' WHERE id IN (${rows})`);
  if (planted.length > 0)
    await node.source.query(`UPDATE accounts SET note = 'by hand' WHERE id IN (${planted})`);
  const refused = await restore(node, '--transaction', lsn, '--apply');
  expect(idsOf(refused)).toEqual(planted);
  expect(refused.applied).toBe(planted.length === 0);
  if (planted.length > 0) {
    const rest = await restore(node, '--transaction', lsn, '--apply', '--skip-conflicts');
    expect(idsOf(rest)).toEqual(planted);
    expect(rest.tables).toMatchObject([{ updates: rows.length - planted.length }]);
  }
  told.reported += planted.length;
  told.restored += rows.length - planted.length;
  const found = await node.source.query<{ id: number; note: string }>(
    `SELECT id, note FROM accounts WHERE note <> 'ok' ORDER BY id`,
  );
  expect(found.rows).toEqual(planted.map((id) => ({ id, note: 'by hand' })));
  await node.source.query(`UPDATE accounts SET note = 'ok' WHERE note <> 'ok'`);
  expect(await surplus(node)).toBe(0);
}

/** The column that pgbench writes: what it wrote meanwhile is a conflict, and stays. */
async function laterWrites(node: TrackedNode, dice: Dice, told: Told): Promise<void> {
  const quiet = chosen(dice, 10, ACCOUNTS - QUIET + 1, ACCOUNTS);
  const rows = [...chosen(dice, 10, 1, ACCOUNTS - QUIET), ...quiet];
  const planted = quiet.filter(() => dice(3) === 0);
  const lsn = await mistake(node, `UPDATE accounts SET balance = balance + ${BONUS} WHERE id IN (${rows})`);
  if (planted.length > 0)
    await node.source.query(
      `WITH a AS (UPDATE accounts SET balance = balance + 7 WHERE id IN (${planted})),
            t AS (UPDATE tellers SET balance = balance + ${7 * planted.length} WHERE id = 1),
            b AS (UPDATE branches SET balance = balance + ${7 * planted.length} WHERE id = 1)
       INSERT INTO amounts (account, delta) SELECT u.id, 7 FROM unnest(ARRAY[${planted}]) AS u (id)`,
    );
  const answer = await restore(node, '--transaction', lsn, '--apply', '--skip-conflicts');
  const reported = idsOf(answer);
  expect(reported.filter((id) => id > ACCOUNTS - QUIET)).toEqual(planted);
  expect(answer.tables).toMatchObject([{ updates: rows.length - reported.length }]);
  expect(await surplus(node)).toBe(BONUS * reported.length);
  told.reported += planted.length;
  told.unplanned += reported.length - planted.length;
  told.restored += rows.length - reported.length;
  if (reported.length > 0)
    await node.source.query(`UPDATE accounts SET balance = balance - ${BONUS} WHERE id IN (${reported})`);
  expect(await surplus(node)).toBe(0);
}

/** Kills the command, or ends its sessions on the source, after a random time. */
async function killed(
  node: TrackedNode,
  dice: Dice,
  { how, told }: { readonly how: 'SIGKILL' | 'terminate'; readonly told: Told },
): Promise<void> {
  const lsn = await mistake(node, `UPDATE accounts SET note = 'wrong'`);
  const env = {
    PGTIMEWARP_SOURCE_URL: node.sourceUrl,
    PGTIMEWARP_STORE_URL: node.storeUrl,
    PGTIMEWARP_NODE: node.node,
  };
  const { child, result } = spawnCli(['restore', '--transaction', lsn, '--apply'], {
    env,
    timeoutMs: 120_000,
  });
  const sessions = `FROM pg_stat_activity AS a WHERE a.application_name = 'pgtimewarp/${node.node}' AND a.datname = current_database()`;
  while ((await seen()) === 0 && child.exitCode === null) await sleep(20);
  await sleep(dice(2_500));
  if (how === 'SIGKILL') child.kill('SIGKILL');
  else await node.source.query(`SELECT pg_terminate_backend(a.pid) ${sessions}`);
  await result.catch(() => undefined);
  while ((await seen()) > 0) await sleep(50);
  const { rows } = await node.source.query<{ wrong: number }>(
    `SELECT count(*)::int AS wrong FROM accounts WHERE note = 'wrong'`,
  );
  expect([0, ACCOUNTS], `${how}: a part of it was restored`).toContain(rows[0]!.wrong);
  told.killed += 1;
  if (rows[0]!.wrong === 0) told.whole += 1;
  else told.nothing += 1;
  await node.source.query(`UPDATE accounts SET note = 'ok' WHERE note <> 'ok'`);
  expect(await surplus(node)).toBe(0);

  async function seen(): Promise<number> {
    const found = await node.source.query<{ n: number }>(`SELECT count(*)::int AS n ${sessions}`);
    return found.rows[0]!.n;
  }
}
