/**
 * A run takes a table out of the publication because the server refuses writes on it. It may die at any statement, and the
 * replica identity may be corrected before the next run. In the end the history must equal the live table, without a person.
 */
import { expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { track } from '../../../../core/track.ts';
import { now, relation, runAll, sameAsLive, urls } from '../../../support/node-questions.ts';
import { pointsOf, runUntil } from '../../../support/stopped-run.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES =
  'CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)';
const DAMAGE = 'ALTER TABLE t REPLICA IDENTITY NOTHING';

async function damaged(isStarting: boolean): Promise<TrackedNode> {
  const node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: isStarting ? [] : ['t'] });
  if (isStarting)
    await track({
      ...urls(node),
      table: parseTableName('t'),
      retention: null,
      signal: AbortSignal.abort(),
    }).catch(() => undefined);
  await runAll(node, DAMAGE);
  return node;
}

/** The points at which the run dies: its commits up to the change of the publication, and what follows that change. */
async function points(isStarting: boolean): Promise<string[]> {
  await using node = await damaged(isStarting);
  const all = await pointsOf(node);
  const at = all.findIndex((point) => /source: ALTER/.test(point));
  expect(at).toBeGreaterThan(0);
  const end = all.findIndex((point, index) => index > at && /source: COMMIT.*unanswered/.test(point));
  return all.slice(0, end + 2).filter((point) => /COMMIT|source: ALTER|health_events/.test(point));
}

test.each([
  ['followed', false],
  ['starting', true],
] as const)(
  'of a table that is %s: later runs repair the table',
  { timeout: 200_000 },
  async (_, isStarting) => {
    const outcomes: Record<string, unknown> = {};
    for (const point of await points(isStarting)) {
      await using node = await damaged(isStarting);
      const run = await runUntil(node, point);
      run.child.kill('SIGKILL');
      await run.ended;
      await runAll(
        node,
        `ALTER TABLE t REPLICA IDENTITY DEFAULT; UPDATE t SET a = a + 10 WHERE id = 2; DELETE FROM t WHERE id = 3`,
      );
      for (let count = 0; count < 5; count++) await node.poll();
      const { status, repair } = await relation(node);
      outcomes[point] = [run.stopped, status, repair, (await now(node, '3', 't')).status];
      await sameAsLive(node);
    }
    const good = Object.keys(outcomes).map((point) => [point, [true, 'active', null, 'absent']]);
    expect(outcomes).toEqual(Object.fromEntries(good));
    expect(good.length).toBeGreaterThan(3);
  },
);
