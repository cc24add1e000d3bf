/** The steps of a person in an incident: what happened, which transaction it was, what it did, which rows it changed. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

let node: TrackedNode;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE orders (id int PRIMARY KEY, customer int, status text, total numeric);
             INSERT INTO orders SELECT n, n % 3, 'open', n + 0.50 FROM generate_series(1, 9) AS n`,
    track: ['orders'],
  });
  await node.source.query(`INSERT INTO orders VALUES (10, 7, 'say "hi", you', 1)`);
  await node.source.query(`BEGIN; SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user":"ann"}');
    UPDATE orders SET status = 'paid'; COMMIT`);
  await node.source.query(`DELETE FROM orders WHERE id = 10`);
  await node.poll();
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

const cli = (...args: string[]) => runCli(args, { env: { ...node.env, TZ: 'UTC' } });

interface Summary {
  readonly lsn: string;
  readonly xid: string;
  readonly rows: number;
}

test('three commands lead from an interval to the changes of one transaction', async () => {
  const { transactions, next } = (
    await cli('transactions', '--from', '-15m', '--min-rows', '5', '--json')
  ).json() as {
    transactions: Summary[];
    next: string | null;
  };
  expect([transactions.length, next]).toEqual([1, null]);
  expect(transactions[0]).toMatchObject({
    context: { user: 'ann' },
    rows: 10,
    tables: [{ schema: 'public', table: 'orders', inserts: 0, updates: 10, deletes: 0, truncates: 0 }],
  });
  const { lsn, xid } = transactions[0]!;
  // the log has 32 bits of the number that pg_current_xact_id() gives
  for (const identity of [lsn, xid, `${BigInt(xid) + 2n ** 32n}`]) {
    const one = (await cli('transaction', identity, '--json')).json() as { changes: unknown[] };
    expect(one).toMatchObject({ lsn, xid, rows: 10, final: true, unknown: [], next: null });
    expect(one.changes).toHaveLength(10);
    expect(one.changes[0]).toMatchObject({
      schema: 'public',
      table: 'orders',
      pk: { id: '1' },
      op: 'U',
      changed: { status: { from: 'open', to: 'paid' } },
      before: { status: 'open' },
      after: { status: 'paid' },
    });
  }
  const shown = (await cli('transaction', lsn)).stdout;
  expect(shown).toContain(`transaction ${xid}, committed `);
  expect(shown).toMatch(/U +orders +id=1 +status "open" → "paid"/);
  const list = (await cli('transactions')).stdout;
  // long numbers leave the context less room, but an LSN is never broken
  expect(list).toMatch(/orders: 10 updated +\{"u/);
  expect(list).toContain(`${xid}  ${lsn}  `);
  expect(list.indexOf('1 deleted')).toBeLessThan(list.indexOf('10 updated')); // newest first
  expect(list).toMatch(/known up to .*; not final|; final/);
});

test('a page names its end, and the next page begins there', async () => {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page = (
      await cli('transactions', '--limit', '1', '--json', ...(cursor === null ? [] : ['--cursor', cursor]))
    ).json() as { transactions: Summary[]; next: string | null };
    seen.push(...page.transactions.map(({ rows }) => String(rows)));
    cursor = page.next;
  } while (cursor !== null);
  expect(seen).toEqual(['1', '10', '1']);
  // the page before said what the interval is: it does not move with the clock
  const first = (await cli('changes', 'orders', '--from', '-1h', '--limit', '1', '--json')).json() as {
    from: string;
    next: string;
  };
  const rest = await cli('changes', 'orders', '--from', '-1h', '--cursor', first.next, '--json');
  expect(rest.json()).toMatchObject({ from: first.from, next: null });
  const other = await cli('changes', 'orders', '--from', '-1h', '--op', 'U', '--cursor', first.next);
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('of another question')]);
});

test('changes: as one JSON document, one line each, CSV, and text for people', async () => {
  const filter = ['--where', 'customer=7'];
  const all = (await cli('changes', 'orders', ...filter, '--json')).json() as { changes: { op: string }[] };
  expect(all).toMatchObject({ final: true, unknown: [], next: null });
  expect(all.changes.map(({ op }) => op)).toEqual(['I', 'U', 'D']);
  const lines = await cli('changes', 'orders', ...filter, '--format', 'ndjson');
  expect(
    lines.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(all.changes);
  expect(JSON.parse(lines.stderr)).toMatchObject({ final: true, unknown: [] });
  const csv = await cli('changes', 'orders', ...filter, '--op', 'I', '--format', 'csv');
  expect(csv.stdout.split('\n')[0]).toBe('pk,op,lsn,ts,xid,context,before,after,changed');
  expect(csv.stdout).toMatch(/,I,[0-9A-F]+\/[0-9A-F]+,/);
  expect(csv.stdout).toContain('""say \\""hi\\"", you""');
  const people = (await cli('changes', 'orders', ...filter)).stdout;
  expect(people).toMatch(/Z {2}U {3}id=10 /);
  expect(people).toMatch(/→\s+"paid/);
  const net = (await cli('changes', 'orders', '--net', ...filter, '--json')).json();
  expect(net).toMatchObject({ changes: [] });
  expect((await cli('changes', 'orders', '--net', '--json')).json()).toMatchObject({
    changes: Array.from({ length: 9 }, (_, index) => ({
      op: 'U',
      pk: { id: String(index + 1) },
      changed: { status: { from: 'open', to: 'paid' } },
    })),
  });
});

test('find: at an instant, in an interval; exit 4 if not every row is known', async () => {
  const now = await cli('find', 'orders', '--where', 'total=1.50', '--json');
  expect(now.code).toBe(0);
  expect(now.json()).toMatchObject({ rows: [{ pk: { id: '1' }, valid_to: null, row: { status: 'paid' } }] });
  const was = (await cli('find', 'orders', '--where', 'customer=7', '--from', '-1h', '--json')).json();
  expect(was).toMatchObject({ rows: [{ pk: { id: '10' } }, { pk: { id: '10' }, row: { status: 'paid' } }] });
  const before = await cli('find', 'orders', '--where', 'customer=7', '--at', '-1d', '--json');
  expect(before.code).toBe(4);
  expect(before.json()).toMatchObject({ rows: [], unknown: [{ reason: 'before_tracking' }] });
  expect((await cli('find', 'orders', '--where', 'customer=7')).stdout).toContain('No rows.');
});

test.each([
  [['changes', 'ordres'], 2, 'Did you mean public.orders?'],
  [['changes', 'orders', '--where', 'nothing=1'], 2, 'no column nothing'],
  [['changes', 'orders', '--where', 'customer=x'], 2, 'cannot have this value'],
  [['changes', 'orders', '--where', 'customer'], 2, 'NAME=VALUE'],
  [['changes', 'orders', '--where', 'id=1', '--where', 'id=2'], 2, 'names id twice'],
  [['changes', 'orders', '--op', 'X'], 2, 'It must be a list of'],
  [['changes', 'orders', '--cursor', 'x'], 2, 'Not a cursor'],
  [['changes', 'orders', '--from', 'now', '--to', '-1h'], 2, 'ends before it begins'],
  [['find', 'orders'], 2, '--where'],
  [['find', 'orders', '--where', 'id=1', '--at', 'now', '--from', '-1h'], 2, 'one instant'],
  [['transactions', '--table', 'ordres'], 2, 'Did you mean public.orders?'],
  [['transactions', '--op', 'S'], 2, 'Transactions have no operation S'],
  [['transactions', '--node', 'nobody'], 2, 'nobody'],
  [['transaction', 'x'], 2, 'Not a transaction'],
  [['transaction', '0/1'], 3, ''],
  [['transaction', '999999999'], 3, ''],
])('%j', async (args, code, says) => {
  const result = await cli(...args);
  expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(says)]);
});
