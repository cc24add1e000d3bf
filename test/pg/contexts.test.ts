/** What a transaction says about itself reaches every version of it, and what is not JSON harms nothing. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { asOf } from '../../core/query/as-of.ts';
import { diff } from '../../core/query/diff.ts';
import { parseInstant } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { runCli } from '../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const WHO = '{"user": "ann", "amount": 1.10, "big": 9007199254740993}';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `who did it (${plugin})`, () => {
    let node: TrackedNode;

    beforeAll(async () => {
      node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE t (id int PRIMARY KEY, v int)',
        track: ['t'],
      });
      const say = (text: string): string => `SELECT pg_logical_emit_message(true, 'pgtimewarp', '${text}')`;
      await node.source.query(`BEGIN; ${say(WHO)}; INSERT INTO t VALUES (1, 1), (2, 2); COMMIT`);
      await node.source.query(`BEGIN; UPDATE t SET v = 3 WHERE id = 1; ${say('not JSON')}; COMMIT`);
      await node.source.query(`BEGIN; ${say('['.repeat(100_000))}; UPDATE t SET v = 4 WHERE id = 1; COMMIT`);
      const deep = '['.repeat(60_000) + ']'.repeat(60_000);
      await node.source.query(`BEGIN; ${say(deep)}; UPDATE t SET v = 5 WHERE id = 1; COMMIT`);
      await node.source.query(`BEGIN; ${say('{"user":"bob"}')}; DELETE FROM t WHERE id = 2; COMMIT`);
      await node.source.query(`SELECT pg_logical_emit_message(false, 'pgtimewarp', '{"user":"nobody"}')`);
      await node.poll();
    });

    afterAll(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    test('as-of and diff return it as it was written', async () => {
      const key = keyFromText('2');
      const table = parseTableName('t');
      const { rows } = await node.store.query<{ ts: string }>(
        `SELECT to_char(valid_from_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
           FROM pgtimewarp.row_changes WHERE pk = '["2"]' AND op = 'I'`,
      );
      const answer = await asOf(node.store, {
        node: node.node,
        table,
        pk: key,
        at: parseInstant(rows[0]!.ts),
      });
      expect(answer.answerText).toContain(`"context":${WHO}`);
      const page = await diff(node.store, {
        node: node.node,
        table,
        pk: key,
        from: null,
        to: null,
        limit: 10,
      });
      expect(page.changes.map((change) => [change.op, change.contextText])).toEqual([
        ['I', WHO],
        ['D', '{"user":"bob"}'],
      ]);
    });

    test('text that is no JSON becomes a JSON string, and stops no run', async () => {
      const page = await diff(node.store, {
        ...{ node: node.node, table: parseTableName('t'), pk: keyFromText('1') },
        ...{ from: null, to: null, limit: 10 },
      });
      const contexts = page.changes.map((change) => change.contextText);
      expect(contexts[0]).toBe(WHO);
      expect(contexts).toContain('"not JSON"');
      expect(contexts.slice(1).every((text) => text?.startsWith('"'))).toBe(true);
    });

    test('diff --who shows it', async () => {
      const shown = await runCli(['diff', 't', '--pk', '2', '--who'], { env: node.env });
      expect(shown.stdout).toMatch(/by {3}\{"user": "ann"/);
      expect(shown.stdout).toMatch(/by {3}\{"user":"bob"\}/);
    });
  });
}
