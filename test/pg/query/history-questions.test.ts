/** Questions about many rows: what was committed, what changed in a table, and which rows had a value. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import { type ChangesPage, type ChangesRequest, changes } from '../../../core/query/changes.ts';
import { type FindRequest, findRows } from '../../../core/query/find.ts';
import { NOW, parseInstant } from '../../../core/query/instant.ts';
import {
  type TransactionsRequest,
  transactionChanges,
  transactions,
} from '../../../core/query/transactions.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `questions about many rows (${plugin})`, () => {
    let node: TrackedNode;

    beforeAll(async () => {
      node = await trackedNode({
        plugin,
        tables: `CREATE TABLE t (id int PRIMARY KEY, v int, n numeric, c bpchar(5), j jsonb);
                 CREATE TABLE other (id text PRIMARY KEY, at timestamptz);
                 INSERT INTO t VALUES (1, 1, 1.00, 'a', '{"u":"\\u0001"}'), (2, 2, 2.50, 'b', NULL)`,
        track: ['t', 'other'],
      });
      const say = (text: string): string => `SELECT pg_logical_emit_message(true, 'pgtimewarp', '${text}')`;
      await node.source.query(`BEGIN; ${say('{"user": {"id": 7}, "tool": "psql"}')};
        UPDATE t SET v = v + 10; INSERT INTO other VALUES ('x', '2026-01-01T00:00:00Z'); COMMIT`);
      await node.source.query(`UPDATE t SET id = 3 WHERE id = 2`);
      await node.source.query(
        `BEGIN; INSERT INTO t VALUES (4, 4, 4, 'd', NULL); UPDATE t SET v = 5 WHERE id = 4; COMMIT`,
      );
      await node.source.query(
        `BEGIN; ${say('{"user": {"id": 8}}')}; TRUNCATE t; INSERT INTO t VALUES (1, 100, 1.0, 'a', NULL); COMMIT`,
      );
      await node.source.query(`DELETE FROM other`);
      await node.poll();
    });

    afterAll(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    const ask = (request: Partial<ChangesRequest> = {}): Promise<ChangesPage> =>
      changes(node.store, {
        node: node.node,
        table: parseTableName('t'),
        from: null,
        to: null,
        limit: 100,
        ...request,
      });
    const line = ({ op, pkText, beforeText, afterText }: ChangesPage['changes'][number]): string =>
      `${op} ${JSON.parse(pkText).id} ${[beforeText, afterText].map((row) => (row === null ? '-' : JSON.parse(row).v)).join('→')}`;
    const lines = async (request: Partial<ChangesRequest> = {}): Promise<string[]> =>
      (await ask(request)).changes.map(line);

    const ALL = [
      'U 1 1→11',
      'U 2 2→12',
      'D 2 12→-',
      'I 3 -→12',
      'I 4 -→4',
      'U 4 4→5',
      'T 1 11→-',
      'T 3 12→-',
      'T 4 5→-',
      'I 1 -→100',
    ];

    test('changes of all keys come in commit order, with before and after, whatever the size of a page', async () => {
      expect(await lines()).toEqual(ALL);
      for (const limit of [1, 2, 3, 7]) {
        const found: string[] = [];
        for (let cursor: string | null = null; ; ) {
          const page = await ask({ limit, cursor });
          expect(page.changes.length).toBeLessThanOrEqual(limit);
          found.push(...page.changes.map(line));
          cursor = page.next;
          if (cursor === null) break;
        }
        expect(found).toEqual(ALL);
      }
    });

    test('what changed, who did it, and what frames the answer', async () => {
      const page = await ask();
      expect(page).toMatchObject({ final: true, unknownText: '[]', next: null });
      expect(page.changes[0]!.changedText).toBe('{"v":{"from":1,"to":11}}');
      expect(JSON.parse(page.changes[0]!.contextText!)).toEqual({ user: { id: 7 }, tool: 'psql' });
      expect(page.changes[2]!.contextText).toBeNull();
      const early = await ask({ from: parseInstant('2001-01-01T00:00:00Z') });
      expect(early.unknownText).toContain('before_tracking');
      expect(early.changes.map(line)).toEqual(ALL);
    });

    test('filters: values as their type compares, columns, context, operation', async () => {
      expect(await lines({ filter: { where: { n: '1.000' } } })).toEqual([
        'U 1 1→11',
        'T 1 11→-',
        'I 1 -→100',
      ]);
      expect(await lines({ filter: { where: { c: 'b    ' } } })).toEqual([ALL[1], ALL[2], ALL[3], ALL[7]]);
      expect(await lines({ filter: { where: { id: '4', v: '5' } } })).toEqual(['U 4 4→5', 'T 4 5→-']);
      expect(await lines({ filter: { changed: ['v', 'n'] } })).toEqual([ALL[0], ALL[1], ALL[5]]);
      expect(await lines({ filter: { changed: ['n'] } })).toEqual([]);
      expect(await lines({ filter: { by: { 'user.id': '7' } } })).toEqual([ALL[0], ALL[1]]);
      expect(await lines({ filter: { by: { 'user.id': '8' }, op: ['I'] } })).toEqual([ALL[9]]);
      expect(await lines({ filter: { op: ['T', 'D'] } })).toEqual([ALL[2], ALL[6], ALL[7], ALL[8]]);
      await expect(ask({ filter: { where: { nothing: '1' } } })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
      await expect(ask({ filter: { where: { v: 'x' } } })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
      await expect(ask({ cursor: 'x' })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
    });

    test('net: one change per key, nothing of a row that is the same at both ends', async () => {
      expect(await lines({ net: true })).toEqual(['U 1 1→100', 'D 2 2→-']);
      for (const limit of [1]) {
        const first = await ask({ net: true, limit });
        expect(first.changes.map(line)).toEqual(['U 1 1→100']);
        const second = await ask({ net: true, limit, cursor: first.next });
        expect([second.changes.map(line), second.next]).toEqual([['D 2 2→-'], null]);
      }
      const from = parseInstant((await ask()).changes[2]!.lsn);
      expect(await lines({ net: true, from })).toEqual(['U 1 11→100', 'D 3 12→-']);
      expect(await lines({ net: true, filter: { by: { 'user.id': '7' } } })).toEqual([
        'U 1 1→100',
        'D 2 2→-',
      ]);
      expect(await lines({ net: true, filter: { op: ['D'] } })).toEqual(['D 2 2→-']);
    });

    const list = (request: Partial<TransactionsRequest> = {}) =>
      transactions(node.store, { node: node.node, from: null, to: null, limit: 100, ...request });
    const counts = async (request: Partial<TransactionsRequest> = {}): Promise<string[]> =>
      (await list(request)).transactions.map(({ rows, tablesText }) =>
        [
          rows,
          ...(JSON.parse(tablesText) as Record<string, unknown>[]).map(
            (table) => `${table.table} ${table.inserts}/${table.updates}/${table.deletes}/${table.truncates}`,
          ),
        ].join(' '),
      );

    test('transactions: newest first, counted by table', async () => {
      const all = [
        '1 other 0/0/1/0',
        '1 t 1/0/0/1',
        '2 t 1/1/0/0',
        '2 t 1/0/1/0',
        '3 other 1/0/0/0 t 0/2/0/0',
      ];
      expect(await counts()).toEqual(all);
      const found: string[] = [];
      for (let cursor: string | null = null; ; ) {
        found.push(...(await counts({ limit: 2, cursor })));
        cursor = (await list({ limit: 2, cursor })).next;
        if (cursor === null) break;
      }
      expect(found).toEqual(all);
      expect(await counts({ filter: { table: parseTableName('other') } })).toEqual([all[0], all[4]]);
      expect(await counts({ filter: { table: parseTableName('other'), op: ['D'] } })).toEqual([all[0]]);
      expect(await counts({ filter: { op: ['T'] } })).toEqual([all[1]]);
      expect(await counts({ filter: { minRows: 3 } })).toEqual([all[1], all[4]]);
      expect(await counts({ filter: { by: { 'user.id': '7', tool: 'psql' } } })).toEqual([all[4]]);
    });

    test('one transaction, by LSN and by xid: every row that it touched', async () => {
      const [, emptied, , , oldest] = (await list()).transactions;
      for (const filter of [{ xid: oldest!.xid }, { lsn: oldest!.lsn }])
        expect((await list({ filter })).transactions).toEqual([oldest]);
      const found: string[] = [];
      for (let cursor: string | null = null; ; ) {
        const page = await transactionChanges(node.store, {
          node: node.node,
          transaction: emptied!,
          limit: 2,
          cursor,
        });
        found.push(...page.changes.map((change) => `${change.table} ${line(change)}`));
        expect(page.final).toBe(true);
        cursor = page.next;
        if (cursor === null) break;
      }
      expect(found).toEqual(['t T 1 11→-', 't T 3 12→-', 't T 4 5→-', 't I 1 -→100']);
    });

    const find = async (
      where: Record<string, string>,
      request: Partial<FindRequest> = {},
    ): Promise<string[]> =>
      (
        await findRows(node.store, {
          node: node.node,
          table: parseTableName('t'),
          where,
          at: null,
          from: null,
          to: null,
          limit: 100,
          ...request,
        })
      ).rows.map(
        ({ pkText, rowText, validToText }) =>
          `${JSON.parse(pkText).id} ${JSON.parse(rowText).v}${validToText === 'null' ? ' still' : ''}`,
      );

    test('rows by a value: at an instant, and within an interval', async () => {
      expect(await find({ n: '1' })).toEqual(['1 1', '1 11', '1 100 still']);
      expect(await find({ n: '1.0' }, { at: NOW })).toEqual(['1 100 still']);
      expect(await find({ n: '2.5' }, { at: NOW })).toEqual([]);
      const at = parseInstant((await ask()).changes[3]!.lsn);
      expect(await find({ n: '2.5' }, { at })).toEqual(['3 12']);
      expect(await find({ v: '4' })).toEqual([]); // within a transaction nobody saw it
      expect(await find({ v: '5' })).toEqual(['4 5']);
      expect(await find({ n: '1' }, { from: at, to: at })).toEqual(['1 11']);
    });
  });
}
