/** A transaction of many rows is read in chunks that grow: whatever the size of a page, each row comes once, in order. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import { changes } from '../../../core/query/changes.ts';
import { transactionChanges, transactions } from '../../../core/query/transactions.ts';
import { undoneChanges } from '../../../core/restore/undone-changes.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const ROWS = 4_500;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a large transaction (${plugin})`, () => {
    let node: TrackedNode;

    beforeAll(async () => {
      node = await trackedNode({
        plugin,
        tables: `CREATE TABLE t (id int PRIMARY KEY, v int, w text);
                 INSERT INTO t SELECT g, g, 'w' || g % 3 FROM generate_series(1, ${ROWS}) AS g`,
        track: ['t'],
      });
      await node.catchUp();
      await node.source.query('UPDATE t SET v = -v');
      await node.catchUp();
    });
    afterAll(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    const table = parseTableName('t');
    type Page = {
      readonly changes: readonly { pkText: string; beforeText: string | null; changedText: string | null }[];
      readonly next: unknown;
    };

    async function all(page: (cursor: string | null) => Promise<Page>): Promise<string[]> {
      const found: string[] = [];
      for (let cursor: string | null = null; ; ) {
        const { changes: rows, next }: Page = await page(cursor);
        found.push(
          ...rows.map(
            ({ pkText, beforeText, changedText }) =>
              `${JSON.parse(pkText).id} ${JSON.parse(beforeText!).v} ${changedText}`,
          ),
        );
        if (next === null) return found;
        cursor = next as string;
      }
    }
    const line = (id: number): string => `${id} ${id} {"v":{"from":${id},"to":${-id}}}`;
    const inOrder = Array.from({ length: ROWS }, (_, index) => line(index + 1));

    test.each([400, 5_000])('pages of %s rows', async (limit) => {
      const page = await transactions(node.store, { node: node.node, from: null, to: null, limit: 1 });
      const transaction = page.transactions[0]!;
      const asked = { node: node.node, limit };
      expect(
        await all((cursor) => transactionChanges(node.store, { ...asked, transaction, cursor })),
      ).toEqual(inOrder);
      const interval = { ...asked, table, from: null, to: null };
      expect(await all((cursor) => changes(node.store, { ...interval, cursor }))).toEqual(inOrder);
      const filtered = await all((cursor) =>
        changes(node.store, { ...interval, filter: { where: { w: 'w1' } }, cursor }),
      );
      expect(filtered).toEqual(inOrder.filter((_, index) => (index + 1) % 3 === 1));
      const net = await all((cursor) => changes(node.store, { ...interval, net: true, cursor }));
      expect(net.toSorted()).toEqual(inOrder.toSorted());
    });

    test('a restore reads the same rows, without what changed', async () => {
      const page = await transactions(node.store, { node: node.node, from: null, to: null, limit: 1 });
      const undone = await undoneChanges(node.store, {
        node: node.node,
        transactions: page.transactions,
        maxRows: ROWS,
      });
      expect(
        undone.map(({ before, after }) => `${before!.get('id')} ${before!.get('v')} ${after!.get('v')}`),
      ).toEqual(inOrder.map((_, index) => `${index + 1} ${index + 1} ${-index - 1}`));
    });
  });
}
