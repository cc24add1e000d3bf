/**
 * As-of over HTTP: `serve`, which polls another node meanwhile, compared with a bare key-lookup server on the same store. The
 * same load asks both in turns.
 */
import { drawKey, generateHistory, HISTORY_NODE, HISTORY_TABLE, somewhere } from './generated-history.ts';
import { type Benchmark, benchServer, figure, percentile, type Size } from './harness.ts';
import { httpLoad } from './support/http-load.ts';
import { listening, polledSource, serveFlags } from './support/listening.ts';

const VERSIONS: Readonly<Record<Size, number>> = { quick: 20_000, usual: 1_000_000, full: 10_000_000 };
const SECONDS: Readonly<Record<Size, number>> = { quick: 0.3, usual: 3, full: 10 };
const ROUNDS: Readonly<Record<Size, number>> = { quick: 1, usual: 5, full: 7 };
/** As many connections as `serve` has sessions, and more. */
const CONNECTIONS = [8, 16, 32] as const;
const TARGETS = { 8: '≥ 0.6', 16: '≥ 0.75', 32: '≥ 0.75' } as const;
/** Transactions per second on the polled source: 3 tracked changes each. */
const SOURCE_RATE = 50;

export const api: Benchmark = {
  name: 'api',
  title: 'As-of over HTTP beside a poller, against a bare key-lookup server on the same store',
  run: async (size, log) => {
    await using server = await benchServer();
    const history = { versions: VERSIONS[size], keys: VERSIONS[size] / 10 };
    log(`generating ${history.versions} versions`);
    await (await generateHistory(server.storeUrl, history)).end();
    await polledSource(server);
    const seconds = SECONDS[size];
    await using ours = await listening(
      'cli/main.ts',
      'serve',
      '--port',
      '0',
      '--every',
      '1s',
      ...serveFlags(server),
    );
    await using bare = await listening('bench/bare-server.ts', server.storeUrl);
    const changes = server.pgbench(...['-n', '-c', '1', '-R', String(SOURCE_RATE)], '-T', String(3600));
    changes.catch(() => {}); // ends with its server
    const table = `${HISTORY_TABLE.schema}.${HISTORY_TABLE.name}`;
    const asof = `${ours.url}/v1/nodes/${HISTORY_NODE}/tables/${table}/asof`;
    const urls = {
      bare: () => `${bare.url}/?pk=${drawKey(history.keys)}`,
      ours: () => `${asof}?pk=${drawKey(history.keys)}&at=${somewhere(history)}`,
    };
    const loads = CONNECTIONS.map((connections) => ({ connections, bare: results(), ours: results() }));
    for (let round = -1; round < ROUNDS[size]; round++) {
      log(round < 0 ? 'warming up' : `round ${round + 1} of ${ROUNDS[size]}`);
      for (const load of loads) {
        for (const rival of ['bare', 'ours'] as const) {
          const { connections } = load;
          const { perSecond, timesMs } = await httpLoad({ url: urls[rival], connections, seconds });
          if (round < 0) continue;
          load[rival].perSecond.push(perSecond);
          load[rival].p50.push(percentile(timesMs, 0.5));
          load[rival].p99.push(percentile(timesMs, 0.99));
        }
      }
    }
    return loads.flatMap((load) => {
      const by = `${load.connections} connections`;
      const share = load.ours.perSecond.map((value, round) => value / load.bare.perSecond[round]!);
      const named = { 'bare server': load.bare, 'as-of through HTTP': load.ours };
      return [
        ...Object.entries(named).flatMap(([name, { perSecond, p50, p99 }]) => [
          figure(`${by}: ${name}`, perSecond, 'requests/s', { digits: 0 }),
          figure(`${by}: ${name}, p50`, p50, 'ms'),
          figure(`${by}: ${name}, p99`, p99, 'ms'),
        ]),
        figure(`${by}: as-of through HTTP ÷ bare server, requests/s`, share, '×', {
          target: TARGETS[load.connections],
        }),
      ];
    });
  },
};

const results = () => ({ perSecond: [] as number[], p50: [] as number[], p99: [] as number[] });
