/**
 * The cost of questions about many rows depends on their interval, not on the history: a page of transactions, one transaction
 * by its xid, those of one person, and the first page of the changes of 10,000 commits, each on a history and on one ten times
 * as long. The ratio of the two is that of processor time. It also measures the cost of their index (history-cost.ts).
 */
import type pg from 'pg';
import { changes } from '../core/query/changes.ts';
import { parseInstant } from '../core/query/instant.ts';
import { transactions } from '../core/query/transactions.ts';
import { contextHashes } from '../core/store/history/context-hashes.ts';
import { formatLsn, type Lsn } from '../core/types/lsn.ts';
import { generateHistory, HISTORY_NODE, HISTORY_TABLE } from './generated-history.ts';
import { type Benchmark, benchServer, type Figure, figure, median, type Size, timeMs } from './harness.ts';
import { costOfIndex } from './history-cost.ts';
import { pidOf, processorOf } from './support/processor-time.ts';

const VERSIONS: Readonly<Record<Size, number>> = { quick: 20_000, usual: 1_000_000, full: 10_000_000 };
const WINDOW = 10_000;
const REPEATS = 15;
const PAGE = 100;
const CONTEXTS = 1_000_000;

export const history: Benchmark = {
  name: 'history',
  title: 'Questions about many rows: transactions, one by its xid, the changes of a table',
  run: async (size, log) => {
    const times: Record<string, Spent[]>[] = [];
    const figures: Figure[] = [];
    for (const versions of [VERSIONS[size] / 10, VERSIONS[size]]) {
      await using databases = await benchServer();
      log(`${versions} versions`);
      const store = await generateHistory(databases.storeUrl, { versions, keys: versions / 10 });
      try {
        await writeContexts(store, Math.min(versions, CONTEXTS));
        times.push(await ask(store, versions));
        if (versions === VERSIONS[size]) figures.push(await spaceOfIndex(store));
      } finally {
        await store.end();
      }
    }
    figures.unshift(...(await costOfIndex(size, log)));
    const [short, long] = times as [Record<string, Spent[]>, Record<string, Spent[]>];
    const processor = (spent: readonly Spent[]): number =>
      median(spent.map(({ processorMs }) => processorMs));
    for (const [question, target] of Object.entries(TARGETS_MS)) {
      figures.unshift(
        figure(
          question,
          long[question]!.map(({ ms }) => ms),
          'ms',
          { target: `≤ ${target}` },
        ),
        figure(
          `${question}: 10 times the history, ratio of processor time`,
          [processor(long[question]!) / processor(short[question]!)],
          'times',
          { target: '≤ 1.5' },
        ),
      );
    }
    return figures;
  },
};

/** By the clock, and the processor time of the store's session. */
interface Spent {
  readonly ms: number;
  readonly processorMs: number;
}

const TARGETS_MS: Readonly<Record<string, number>> = {
  'a page of transactions': 20,
  'one transaction by xid': 10,
  'first page of the changes of 10,000 rows': 100,
  'transactions of one among many people': 20,
};

/** The first commits have a context: there are a tenth as many people as such commits. */
async function writeContexts(store: pg.Client, commits: number): Promise<void> {
  const batch = 10_000;
  for (let first = 1; first <= commits; first += batch) {
    const numbers = Array.from({ length: Math.min(batch, commits + 1 - first) }, (_, index) => first + index);
    const texts = numbers.map(
      (n) => `{"user":"user${(n * 7919) % (commits / 10)}","job":"job ${n % 10}","request":"r-${n * 31337}"}`,
    );
    await store.query(
      `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn, context, relation_ids, value_hashes)
       SELECT $1::text, '0/0'::pg_lsn + u.n * 100, u.context::json, '{1}', u.hashes::int[]
         FROM unnest($2::bigint[], $3::text[], $4::text[]) AS u (n, context, hashes)`,
      [HISTORY_NODE, numbers, texts, texts.map((text) => `{${contextHashes(text).join(',')}}`)],
    );
  }
  await store.query('VACUUM (ANALYZE) pgtimewarp.transaction_contexts');
}

async function ask(store: pg.Client, versions: number): Promise<Record<string, Spent[]>> {
  const processor = processorOf([await pidOf(store)]);
  const end = versions - Math.floor(versions / 4);
  const at = (version: number) => parseInstant(formatLsn((BigInt(version) * 100n) as Lsn));
  const interval = { node: HISTORY_NODE, from: at(Math.max(1, end - WINDOW)), to: at(end), limit: PAGE };
  const questions: Readonly<Record<string, () => Promise<unknown>>> = {
    'a page of transactions': () => transactions(store, interval),
    'one transaction by xid': () =>
      transactions(store, { ...interval, from: null, to: null, filter: { xid: `${end - 7}` } }),
    'transactions of one among many people': () =>
      transactions(store, { ...interval, from: null, to: null, filter: { by: { user: 'user7' } } }),
    'first page of the changes of 10,000 rows': () => changes(store, { ...interval, table: HISTORY_TABLE }),
  };
  const found: Record<string, Spent[]> = {};
  for (const [name, question] of Object.entries(questions)) {
    found[name] = [];
    await question();
    for (let times = 0; times < REPEATS; times++) {
      let processorMs = 0;
      const ms = await timeMs(async () => {
        processorMs = await processor(question);
      });
      found[name].push({ ms, processorMs });
    }
  }
  return found;
}

/** The size of the tables of changes with the index on positions, against that without it. */
async function spaceOfIndex(store: pg.Client): Promise<Figure> {
  const { rows } = await store.query<{ ratio: string }>(
    `SELECT (sum(pg_total_relation_size(i.inhrelid)) / sum(pg_total_relation_size(i.inhrelid) - (
              SELECT coalesce(sum(pg_relation_size(x.indexrelid)), 0) FROM pg_index AS x
                JOIN pg_class AS k ON k.oid = x.indexrelid JOIN pg_am AS a ON a.oid = k.relam
               WHERE x.indrelid = i.inhrelid AND a.amname = 'brin')))::text AS ratio
       FROM pg_inherits AS i WHERE i.inhparent = 'pgtimewarp.row_changes'::regclass`,
  );
  return figure('space with the index ÷ without', [Number.parseFloat(rows[0]!.ratio)], 'times', {
    target: '≤ 1.03',
    digits: 4,
  });
}
