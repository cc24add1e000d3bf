/**
 * A repair that is interrupted anywhere continues where it was; no row is lost or stored twice. The end of the gap stays an
 * instant that can be asked for.
 */
import { expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { at, relation, runAll, sameAsLive, sourceClock, urls } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { runUntil } from '../../../support/stopped-run.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

/** More than the first two chunks (500 rows, then 2,500). */
const ROWS = 4_000;
const TABLES = `CREATE TABLE t (id int PRIMARY KEY, v varchar(20), n int);
                INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, ${ROWS}) AS i`;
const SILENT = 'ALTER TABLE t ALTER n TYPE int USING n * 10';
const COMMAND = ['rebaseline', 't'];

/** Where the command is killed, one point after the other, and the number of rows read by then; the last point ends the gap. */
const DEATHS = [
  { point: 'store: INSERT rebaseline_findings #2, before', phase: 'rows', rows: 500 },
  { point: 'store: INSERT rebaseline_findings #2, before', phase: 'rows', rows: 1_000 },
  { point: 'store: SELECT rows_at #3, before', phase: 'keys', rows: ROWS - 3 },
  { point: 'store: WITH rebaseline_findings, before', phase: 'deciding', rows: ROWS - 3 },
];

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a table read again (${plugin})`, () => {
    test('questions about the end of its gap are answered, also after many quiet runs', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.poll();
      await runAll(node, SILENT);
      await node.poll();
      await rebaseline({ ...urls(node), table: parseTableName('t') });
      const { rows } = await node.store.query<{ lsn: string; ts: string }>(
        `SELECT to_lsn AS lsn, to_char(to_ts, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts FROM pgtimewarp.history_gaps`,
      );
      const end = rows[0]!;
      for (let runs = 0; runs < 3; runs++) {
        const { transactions } = await node.poll();
        expect(transactions, 'a run is quiet only without any').toBe(0);
      }
      for (const instant of [end.lsn, end.ts])
        expect((await at(node, '3', instant)).row, instant).toEqual({ id: 3, v: 'v3', n: 30 });
    });
  });
}

/** One plugin is enough: a repair does not depend on the stream. */
test('killed at every stage and repeated, it continues where it was', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['t'] });
  await node.poll();
  const before = await sourceClock(node);
  await node.poll();
  await runAll(node, `${SILENT}; DELETE FROM t WHERE id = 7`);
  await node.poll();
  const inGap = await sourceClock(node);
  for (const [index, { point, ...progress }] of DEATHS.entries()) {
    const run = await runUntil(node, point, COMMAND);
    expect({ point, stopped: run.stopped }).toEqual({ point, stopped: true });
    run.child.kill('SIGKILL');
    await run.ended;
    expect(await repair(node), `at the death number ${index + 1}`).toMatchObject(progress);
    await runAll(
      node,
      `UPDATE t SET n = -1 WHERE id = ${index + 1}; DELETE FROM t WHERE id = ${ROWS - index}`,
    );
  }
  await rebaseline({ ...urls(node), table: parseTableName('t') });
  await node.poll();
  expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
  await sameAsLive(node);
  expect((await at(node, '3', before)).row).toMatchObject({ id: 3, v: 'v3', n: 3 });
  expect(await at(node, '3', inGap)).toMatchObject({ status: 'unknown', reason: 'in_gap' });
  expect(await left(node)).toEqual({ findings: '0', gaps: '1', open: '0' });
}, 120_000);

/** The progress of the repair. */
async function repair(node: TrackedNode): Promise<unknown> {
  return JSON.parse((await relation(node)).repair!) as unknown;
}

async function left(node: TrackedNode): Promise<Record<string, string>> {
  const { rows } = await node.store.query<Record<string, string>>(
    `SELECT (SELECT count(*) FROM pgtimewarp.rebaseline_findings) AS findings, count(*) AS gaps,
            count(*) FILTER (WHERE to_ts IS NULL) AS open
       FROM pgtimewarp.history_gaps`,
  );
  return rows[0]!;
}
