/**
 * What it costs to put rows back: an UPDATE of many rows undone by `--transaction`, against the server's own UPDATE of the same rows, and
 * a TRUNCATE undone, against a COPY of the rows. Plan and application run as the command runs them, with their runs and waits. After the
 * commit a run reads the rows, as it would those of the COPY, and the history is compared: these have figures of their own.
 */
import { carryOutRestore } from '../cli/carry-out-restore.ts';
import { connect } from '../core/pg/connection.ts';
import { type TransactionSummary, transactions } from '../core/query/transactions.ts';
import { planRestore } from '../core/restore/plan-restore.ts';
import { planSource } from '../core/restore/plan-source.ts';
import { restoreScript } from '../core/restore/restore-script.ts';
import { type Benchmark, type Figure, figure, type Size, timeMs } from './harness.ts';
import { type BenchNode, benchNode, watchedPoll } from './support/bench-node.ts';

const UPDATED: Readonly<Record<Size, number>> = { quick: 2_000, usual: 100_000, full: 100_000 };
const TRUNCATED: Readonly<Record<Size, number>> = { quick: 5_000, usual: 200_000, full: 1_000_000 };
/** As the command. */
const BULK_ROWS = 10_001;
const COLUMNS =
  'id int PRIMARY KEY, name text, price numeric(12,2), made timestamptz, note text DEFAULT repeat($$x$$, 40)';

export const restore: Benchmark = {
  name: 'restore',
  title: 'Putting rows back, against the server’s own writes',
  run: async (size, log) => {
    log(`an UPDATE of ${UPDATED[size]} rows`);
    const updated = await undoneUpdate(UPDATED[size]);
    log(`a TRUNCATE of ${TRUNCATED[size]} rows`);
    return [...updated, ...(await undoneTruncate(TRUNCATED[size]))];
  },
};

async function filledNode(rows: number): Promise<BenchNode> {
  return await benchNode({
    plugin: 'wal2json',
    tables: `CREATE TABLE items (${COLUMNS});
             INSERT INTO items SELECT g, 'item ' || g, g * 1.01, timestamptz '2026-01-01' + g * interval '1 s' FROM generate_series(1, ${rows}) AS g`,
    track: ['items'],
  });
}

async function undoneUpdate(rows: number): Promise<Figure[]> {
  await using node = await filledNode(rows);
  const change = (): Promise<number> => timeMs(() => node.source('UPDATE items SET price = price + 1'));
  const own = [await change()];
  const transaction = await latestTransaction(node);
  const planned = await timeMs(() => undo(node, transaction, { rows, apply: false }));
  const write = await writeStatementsMs(node, transaction, rows);
  const applied = await timeMs(() => undo(node, transaction, { rows, apply: true }));
  own.push(await change(), await change());
  const label = `UPDATE of ${rows} rows`;
  const ownMs = own.toSorted((a, b) => a - b)[1]!;
  return [
    figure(`${label}: the server's own`, own, 'ms', { digits: 0 }),
    figure(`${label}, undone: plan`, [planned / 1000], 's'),
    figure(`${label}, undone: apply`, [applied / 1000], 's'),
    figure(`${label}, undone: apply − the server's own`, [(applied - ownMs) / 1000], 's', { target: '≤ 10' }),
    figure(`${label}, undone: the writing statements ÷ the server's own`, [write / ownMs], '×', {
      target: '≤ 2',
    }),
  ];
}

async function undoneTruncate(rows: number): Promise<Figure[]> {
  await using node = await filledNode(rows);
  const [place] = await node.source(`SELECT current_setting('data_directory') || '/items.copy' AS file`);
  await node.source(`CREATE TABLE copied (${COLUMNS}); COPY items TO '${place!.file}'`);
  const copy = await timeMs(() => node.source(`COPY copied FROM '${place!.file}'`));
  await node.source('TRUNCATE items');
  await node.source('CHECKPOINT'); // the run that a restore waits for need not read the COPY, which was our own, once more
  const transaction = await latestTransaction(node);
  const started = performance.now();
  let committed = started;
  let read = started;
  const report = (what: string): void => {
    if (what === 'waiting until a run has read the restore') committed = performance.now();
    if (what === 'comparing the rows with the history') read = performance.now();
  };
  await undo(node, transaction, { rows, apply: true, report });
  const ended = performance.now();
  const [found] = await node.source('SELECT count(*)::text AS rows FROM items');
  if (found!.rows !== `${rows}`) throw new Error(`${found!.rows} of ${rows} rows came back`);
  const label = `TRUNCATE of ${rows} rows`;
  return [
    figure(`${label}: COPY of them`, [copy / 1000], 's'),
    figure(`${label}, undone: plan and apply, to the commit`, [(committed - started) / 1000], 's'),
    figure(`${label}, undone: that ÷ COPY`, [(committed - started) / copy], '×', { target: '≤ 2' }),
    figure(`${label}, undone: the run that reads the rows`, [(read - committed) / 1000], 's'),
    figure(`${label}, undone: the comparison with the history`, [(ended - read) / 1000], 's'),
  ];
}

async function latestTransaction(node: BenchNode): Promise<TransactionSummary> {
  await watchedPoll(node);
  const store = await connect(node.storeUrl, { side: 'store', node: node.node });
  try {
    const page = await transactions(store, { node: node.node, from: null, to: null, filter: {}, limit: 1 });
    return page.transactions[0]!;
  } finally {
    await store.end();
  }
}

async function undo(
  node: BenchNode,
  transaction: TransactionSummary,
  {
    rows,
    apply,
    report,
  }: { readonly rows: number; readonly apply: boolean; readonly report?: (what: string) => void },
): Promise<void> {
  const store = await connect(node.storeUrl, { side: 'store', node: node.node });
  try {
    const place = { ...node, signal: new AbortController().signal, report };
    const result = await carryOutRestore(place, store, { ...asked(transaction, rows), apply });
    if (result.refused.length > 0 || result.conflicts.length > 0 || result.isApplied !== apply)
      throw new Error(`the restore was refused: ${JSON.stringify([result.refused, result.notes])}`);
  } finally {
    await store.end();
  }
}

/** Only the statements that write, in a transaction that is rolled back. */
async function writeStatementsMs(
  node: BenchNode,
  transaction: TransactionSummary,
  rows: number,
): Promise<number> {
  const store = await connect(node.storeUrl, { side: 'store', node: node.node });
  const source = await connect(node.sourceUrl, { side: 'source', node: node.node });
  try {
    await source.query("SET search_path = 'pg_catalog', 'pg_temp'");
    const plan = await planRestore(
      { store, source: planSource(source) },
      { node: node.node, ...asked(transaction, rows) },
    );
    const { inspect, prepare, lock, guard, judge, write } = restoreScript(plan.script!);
    for (const statement of [...inspect, ...prepare, ...lock, ...guard, ...judge])
      await source.query(statement);
    return await timeMs(async () => {
      for (const statement of write) await source.query(statement);
    });
  } finally {
    await source.end();
    await store.end();
  }
}

function asked(transaction: TransactionSummary, rows: number) {
  return {
    undo: { kind: 'transactions', transactions: [transaction] },
    maxRows: rows,
    skipConflicts: false,
    noTriggers: false,
    lockTimeoutMs: 10_000,
    bulkFrom: BULK_ROWS,
  } as const;
}
