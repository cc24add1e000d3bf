/**
 * Contexts of transactions: each change carries the last message before it, or else the first message of the transaction. Text
 * that is not JSON does no harm.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import { asOf } from '../../../core/query/as-of.ts';
import { changes } from '../../../core/query/changes.ts';
import { diff } from '../../../core/query/diff.ts';
import { NOW, parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { rebaseline } from '../../../core/rebaseline.ts';
import { describeNeeding } from '../../support/needs.ts';
import { urls } from '../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { runCli } from '../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const say = (text: string): string => `SELECT pg_logical_emit_message(true, 'pgtimewarp', '${text}')`;
const WHO = '{"user": "ann", "amount": 1.10, "big": 9007199254740993}';

/** The changes of a key of `t`, each with its context; as-of answers return the same context for each version. */
async function whoChanged(node: TrackedNode, pk: string): Promise<string[]> {
  const of = { node: node.node, table: parseTableName('t'), pk: keyFromText(pk) };
  const { changes } = await diff(node.store, { ...of, from: null, to: null, limit: 100 });
  const last = changes.at(-1)!;
  if (last.op === 'I' || last.op === 'U') {
    const { answerText } = await asOf(node.store, { ...of, at: NOW });
    expect(answerText).toContain(`"context":${last.contextText}`);
  }
  return changes.map(
    ({ op, contextText }) => `${op} ${contextText === null ? null : JSON.parse(contextText)}`,
  );
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `who did it (${plugin})`, () => {
    let node: TrackedNode;

    beforeAll(async () => {
      node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE t (id int PRIMARY KEY, v int)',
        track: ['t'],
      });
      await node.source.query(`BEGIN; ${say(WHO)}; INSERT INTO t VALUES (1, 1), (2, 2); COMMIT`);
      // sent at the end: it is the first message, so the change before it carries it
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

    test('as-of and diff return the context as it was written', async () => {
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

    test('text that is not JSON becomes a JSON string, and stops no run', async () => {
      const page = await diff(node.store, {
        ...{ node: node.node, table: parseTableName('t'), pk: keyFromText('1') },
        ...{ from: null, to: null, limit: 10 },
      });
      const contexts = page.changes.map((change) => change.contextText);
      expect(contexts[0]).toBe(WHO);
      expect(contexts).toContain('"not JSON"');
      expect(contexts.slice(1).every((text) => text?.startsWith('"'))).toBe(true);
    });

    test('each change carries the last message before it, and answers return that message', async () => {
      const { source } = node;
      const at = (who: string, statement: string): string => `${say(JSON.stringify(who))}; ${statement}`;
      await source.query('CREATE TABLE untracked (id int)');
      await source.query(`BEGIN;
        INSERT INTO t VALUES (10, 0);
        ${at('ann', 'UPDATE t SET v = 1 WHERE id = 10')};
        UPDATE t SET v = 2 WHERE id = 10;
        ${at('bob', 'INSERT INTO untracked VALUES (1)')};
        ${at('cid', 'UPDATE t SET v = 3 WHERE id = 10')};
        ${at('cid', 'UPDATE t SET id = 11 WHERE id = 10')};
        ${at('dan', 'SAVEPOINT s')};
        ${at('eve', 'UPDATE t SET v = 4 WHERE id = 11')};
        ROLLBACK TO s;
        UPDATE t SET v = 5 WHERE id = 11;
        SAVEPOINT s2;
        ${at('fay', 'UPDATE t SET v = 6 WHERE id = 11')};
        RELEASE s2;
        UPDATE t SET v = 7 WHERE id = 11;
        ${at('gus', 'DELETE FROM t WHERE id = 11')};
        ${say('"nobody: no change follows"')};
        COMMIT`);
      await node.poll();
      expect(await whoChanged(node, '10')).toEqual(['I ann', 'U ann', 'U ann', 'U cid', 'D cid']);
      expect(await whoChanged(node, '11')).toEqual(['I cid', 'U dan', 'U fay', 'U fay', 'D gus']);
      const { rows } = await node.store.query(
        `SELECT context #>> '{}' AS who, seq FROM pgtimewarp.transaction_contexts
          WHERE lsn = (SELECT max(lsn) FROM pgtimewarp.transaction_contexts) ORDER BY seq`,
      );
      expect(rows, 'stored once each, and only those that a change carries').toEqual(
        [
          ['ann', 0],
          ['cid', 3],
          ['dan', 6],
          ['fay', 7],
          ['gus', 9],
        ].map(([who, seq]) => ({ who, seq })),
      );
    });

    test('a truncate carries the message before it', async () => {
      await node.source.query(`BEGIN; INSERT INTO t VALUES (20, 1); ${say('"ann"')}; UPDATE t SET v = 2 WHERE id = 20;
        ${say('"bob"')}; TRUNCATE t; ${say('"cid"')}; INSERT INTO t VALUES (20, 3); COMMIT`);
      await node.poll();
      expect(await whoChanged(node, '20')).toEqual(['I ann', 'U ann', 'T bob', 'I cid']);
    });

    test('_bemi and the prefixes of the node are contexts too, other prefixes are not', async () => {
      const emit = (prefix: string, who: string) =>
        `SELECT pg_logical_emit_message(true, '${prefix}', '"${who}"')`;
      const change = async (id: number) =>
        node.source.query(`BEGIN; ${emit('_bemi', 'bemi')}; INSERT INTO t VALUES (${id}, 1);
          ${emit('audit.v1', 'audit')}; UPDATE t SET v = 2 WHERE id = ${id};
          ${emit('other', 'other')}; UPDATE t SET v = 3 WHERE id = ${id}; COMMIT`);
      await change(30);
      await node.poll();
      expect(await whoChanged(node, '30')).toEqual(['I bemi', 'U bemi', 'U bemi']);
      await runCli(['init', '--context-prefix', 'audit.v1', '--context-prefix', 'app'], { env: node.env });
      await change(31);
      await node.poll();
      expect(await whoChanged(node, '31')).toEqual(['I bemi', 'U audit', 'U audit']);
      const refused = await runCli(['init', '--context-prefix', 'a,other'], { env: node.env });
      expect(refused.stderr).toMatch(/"a,other" cannot be the prefix/);
      await runCli(['init'], { env: node.env });
      await change(32);
      await node.poll();
      expect(await whoChanged(node, '32'), 'a repeated init leaves it alone').toContain('U audit');
    });

    test('a transaction that is written in parts carries its messages', async () => {
      const { source } = node;
      const fill = (from: number, to: number) =>
        `INSERT INTO t SELECT g, g FROM generate_series(${from}, ${to}) AS g`;
      await source.query(`BEGIN; ${fill(100_000, 119_999)}; ${say('"ann"')}; ${fill(120_000, 159_999)};
        ${say('"bob"')}; UPDATE t SET v = 0 WHERE id IN (100000, 150000); COMMIT`);
      await node.poll();
      expect(await whoChanged(node, '100000')).toEqual(['I ann', 'U bob']);
      expect(await whoChanged(node, '150000')).toEqual(['I ann', 'U bob']);
      const stored = await node.store.query(
        `SELECT FROM pgtimewarp.transaction_contexts
          WHERE lsn = (SELECT max(lsn) FROM pgtimewarp.transaction_contexts)`,
      );
      expect(stored.rowCount).toBe(2);
    });

    test('a message before every row, as a row trigger writes it, is stored once', async () => {
      await node.source.query(`
        CREATE FUNCTION say_it() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_logical_emit_message(true, '_bemi', '"trigger ' || TG_OP || '"');
          RETURN coalesce(NEW, OLD);
        END $$;
        CREATE TRIGGER say_it BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION say_it()`);
      await node.source.query(`BEGIN; INSERT INTO t SELECT g, 0 FROM generate_series(40, 49) AS g;
        DELETE FROM t WHERE id BETWEEN 40 AND 49; COMMIT; DROP TRIGGER say_it ON t`);
      await node.poll();
      expect(await whoChanged(node, '44')).toEqual(['I trigger INSERT', 'D trigger DELETE']);
      const stored = await node.store.query(
        `SELECT FROM pgtimewarp.transaction_contexts
          WHERE lsn = (SELECT max(lsn) FROM pgtimewarp.transaction_contexts)`,
      );
      expect(stored.rowCount).toBe(2);
    });

    test('findings of a repair carry no message, also at the position of a commit that has one', async () => {
      await node.source.query('INSERT INTO t VALUES (60, 1), (62, 1)');
      await node.poll();
      await node.store.query(`UPDATE pgtimewarp.row_changes SET pk = '["61"]' WHERE pk = '["60"]'`);
      const table = parseTableName('t');
      const asked = rebaseline({ ...urls(node), table, signal: AbortSignal.abort() });
      await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED' });
      await node.poll();
      await node.source.query(`BEGIN; ${say('{"user": "ann"}')}; UPDATE t SET v = 2 WHERE id = 62; COMMIT`);
      await node.poll();
      // Here the store writes to the same log. Otherwise the log ends with the commit, and so does the gap.
      await node.store.query(`
        WITH place AS (
          SELECT (SELECT valid_from_lsn FROM pgtimewarp.row_changes WHERE pk = '["60"]' AND op = 'S') AS found,
                 (SELECT valid_from_lsn FROM pgtimewarp.row_changes WHERE pk = '["62"]' AND op = 'U') AS told),
             context AS (UPDATE pgtimewarp.transaction_contexts SET lsn = found FROM place WHERE lsn = told)
        UPDATE pgtimewarp.row_changes SET valid_from_lsn = found FROM place WHERE valid_from_lsn = told`);
      expect(await whoChanged(node, '60')).toEqual(['S null']);
      expect((await whoChanged(node, '61')).at(-1)).toBe('D null');
      for (const net of [false, true]) {
        const of = { node: node.node, table, from: null, to: null, limit: 1000, net };
        const page = await changes(node.store, { ...of, filter: { by: { user: 'ann' } } });
        const keys = page.changes.map(({ pkText }) => JSON.parse(pkText).id as string);
        expect(keys).toContain('62');
        expect(keys.filter((key) => key === '60' || key === '61')).toEqual([]);
      }
    });

    test('diff --who shows it', async () => {
      const shown = await runCli(['diff', 't', '--pk', '2', '--who'], { env: node.env });
      expect(shown.stdout).toMatch(/by {3}\{"user": "ann"/);
      expect(shown.stdout).toMatch(/by {3}\{"user":"bob"\}/);
    });
  });
}
