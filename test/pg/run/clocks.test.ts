/**
 * Wrong clocks: timestamps that jump back, repeat, lie in the year 9999, before our era or at infinity. The map stays strictly
 * increasing and within the source's clock, an event reports it, and final answers stay the same.
 */
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asOf } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const KEYS = ['1', '2', '3'];
const ABSURD = [
  "now() - interval '1 hour'",
  "'2026-01-01 00:00:00+00'",
  "'2026-01-01 00:00:00+00'",
  "'9999-12-31 23:59:59.999999+00'",
  "'0044-03-15 00:00:00+00 BC'",
  "'infinity'",
  "'-infinity'",
];

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `clocks that lie, through ${plugin}`, () => {
    let node: TrackedNode;
    let origin: pg.Client;
    let remote = 1;

    /** Commits `sql` with a chosen timestamp, as replicated transactions do. */
    const commitAt = async (timestamp: string, sql: string): Promise<void> => {
      await origin.query('BEGIN');
      await origin.query(
        `SELECT pg_replication_origin_xact_setup('0/${(remote++).toString(16)}', ${timestamp})`,
      );
      await origin.query(sql);
      await origin.query('COMMIT');
    };

    beforeAll(async () => {
      node = await trackedNode({
        plugin,
        tables:
          'CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 3) AS i',
        track: ['t'],
      });
      origin = await node.connect('source');
      await origin.query(`SELECT pg_replication_origin_create('${node.node}')`);
      await origin.query(`SELECT pg_replication_origin_session_setup('${node.node}')`);
    });

    afterAll(async () => {
      await origin?.query('SELECT pg_replication_origin_session_reset()');
      await origin?.query(`SELECT pg_replication_origin_drop('${node.node}')`);
      await node?.[Symbol.asyncDispose]();
    });

    test('the map is strictly increasing and bounded, and a health event reports that', async () => {
      for (const timestamp of ABSURD) await commitAt(timestamp, 'UPDATE t SET n = n + 1');
      await node.poll();
      const { rows } = await node.store.query<{ commits: number; disordered: number; ahead: number }>(
        `SELECT count(*) FILTER (WHERE xid IS NOT NULL)::int AS commits,
                count(*) FILTER (WHERE ts <= before)::int AS disordered,
                count(*) FILTER (WHERE ts > clock_timestamp())::int AS ahead
           FROM (SELECT xid, ts, lag(ts) OVER (ORDER BY lsn) AS before FROM pgtimewarp.lsn_time_map) AS m`,
      );
      expect(rows[0]).toEqual({ commits: ABSURD.length, disordered: 0, ahead: 0 });
      const events = await node.store.query(
        `SELECT severity, meta FROM pgtimewarp.health_events WHERE code = 'CLOCK_SKEW'`,
      );
      expect(events.rows).toEqual([{ severity: 'warn', meta: '{"ahead": 2, "behind": 5}' }]);
    });

    test('final answers stay the same after later runs', async () => {
      const asked = new Map<string, string>();
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.constantFrom(...KEYS), fc.constantFrom(...ABSURD, 'clock_timestamp()')), {
            minLength: 1,
            maxLength: 4,
          }),
          async (commits) => {
            for (const [key, timestamp] of commits)
              await commitAt(timestamp, `UPDATE t SET n = n + 1 WHERE id = ${key}`);
            await node.poll();
            for (const [question, answer] of asked) expect(await ask(node, question), question).toBe(answer);
            const { rows } = await node.store.query<{ at: string }>(
              `SELECT to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at FROM pgtimewarp.lsn_time_map
                ORDER BY lsn DESC LIMIT 3`,
            );
            for (const { at } of rows) {
              for (const key of KEYS) asked.set(`${key} ${at}`, await ask(node, `${key} ${at}`));
            }
          },
        ),
        { numRuns: 12 },
      );
    });
  });
}

/** The members of a final answer that must not change. */
async function ask(node: TrackedNode, question: string): Promise<string> {
  const [key, at] = question.split(' ') as [string, string];
  const answer = await asOf(node.store, {
    node: node.node,
    table: { schema: 'public', name: 't' },
    pk: keyFromText(key),
    at: parseInstant(at),
  });
  const { status, reason, row, op, valid_from, final } = JSON.parse(answer.answerText) as Record<
    string,
    unknown
  >;
  expect(final, question).toBe(true);
  return JSON.stringify({ status, reason, row, op, valid_from });
}
