/**
 * What the index for questions about many rows costs: runs that store the same changes with the index on positions and without it, in
 * turns, each in a store of its own. Counted is the processor time of the poller and of all sessions. With the index, summarising
 * the new pages counts too, which autovacuum does otherwise.
 */
import { connect } from '../core/pg/connection.ts';
import { migrate } from '../core/store/schema/migrate.ts';
import { type BenchServer, benchServer, type Figure, figure, pollInChild, type Size } from './harness.ts';
import { observe } from './support/observe.ts';
import { processorOfSessions } from './support/processor-time.ts';

const TABLES = ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches'];
const ROUNDS: Readonly<Record<Size, number>> = { quick: 1, usual: 3, full: 5 };
const TRANSACTIONS: Readonly<Record<Size, number>> = { quick: 500, usual: 25_000, full: 25_000 };

export async function costOfIndex(size: Size, log: (line: string) => void): Promise<Figure[]> {
  await using server = await benchServer({ autovacuum: 'off' });
  await server.pgbench('-i', '-q', '-s', size === 'quick' ? '1' : '10');
  const rounds = Array.from({ length: ROUNDS[size] }, (_, round) => round);
  for (const round of rounds)
    for (const hasIndex of [true, false]) await makeStore(server, nameOf(round, hasIndex), hasIndex);
  await server.pgbench('-n', '-c', '4', '-j', '2', '-t', String(TRANSACTIONS[size]));
  await server.psql(server.sourceUrl, 'CHECKPOINT');
  const times = { with: [] as number[], without: [] as number[], summary: [] as number[] };
  for (const round of rounds) {
    log(`runs with and without the index, ${round + 1} of ${rounds.length}`);
    for (const hasIndex of round % 2 === 0 ? [true, false] : [false, true]) {
      const spent = await storeChanges(server, nameOf(round, hasIndex));
      const summary = hasIndex ? await summarise(server, nameOf(round, hasIndex)) : 0;
      (hasIndex ? times.with : times.without).push(spent + summary);
      if (hasIndex) times.summary.push(summary / spent);
    }
  }
  const ratios = times.with.map((ms, round) => ms / times.without[round]!);
  return [
    figure('runs with the index ÷ without, processor time', ratios, 'times', { target: '≤ 1.03' }),
    figure('of that, summarising new pages', times.summary, 'times', { digits: 4 }),
  ];
}

const nameOf = (round: number, hasIndex: boolean): string => `${hasIndex ? 'with' : 'without'}_${round}`;

async function makeStore({ server, sourceUrl }: BenchServer, name: string, hasIndex: boolean): Promise<void> {
  await server.createDatabase(name);
  const storeUrl = server.url(name);
  const store = await connect(storeUrl, { side: 'store', node: name });
  try {
    await migrate(store);
    if (!hasIndex) await store.query('DROP INDEX pgtimewarp.row_changes_in_order');
  } finally {
    await store.end();
  }
  await observe({ sourceUrl, storeUrl, node: name }, 'pgoutput', TABLES);
}

async function storeChanges(server: BenchServer, name: string): Promise<number> {
  const urls = { sourceUrl: server.sourceUrl, storeUrl: server.server.url(name), node: name };
  let ofPoller = 0;
  const ofSessions = await processorOfSessions(server, async () => {
    ofPoller = (await pollInChild(urls)).processorMs;
  });
  return ofPoller + ofSessions;
}

function summarise(server: BenchServer, name: string): Promise<number> {
  return processorOfSessions(server, () =>
    server.psql(
      server.server.url(name),
      `SELECT brin_summarize_new_values(x.indexrelid)
         FROM pg_index AS x JOIN pg_class AS k ON k.oid = x.indexrelid JOIN pg_am AS a ON a.oid = k.relam
         JOIN pg_inherits AS i ON i.inhrelid = x.indrelid
        WHERE i.inhparent = 'pgtimewarp.row_changes'::regclass AND a.amname = 'brin'`,
    ),
  );
}
