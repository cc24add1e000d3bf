/** As-of in SQL on a source, against reading a live table of the same shape in the same store through postgres_fdw. */
import { connectStore } from '../cli/extension/connect-store.ts';
import { install } from '../cli/extension/methods.ts';
import { connect, parseConnectionUrl } from '../core/pg/connection.ts';
import { drawKey, generateHistory, HISTORY_NODE } from './generated-history.ts';
import { type Benchmark, benchServer, figure, median, type Size, timeMs } from './harness.ts';

const VERSIONS: Readonly<Record<Size, number>> = { quick: 20_000, usual: 1_000_000, full: 10_000_000 };
const KEYS: Readonly<Record<Size, number>> = { quick: 2_000, usual: 100_000, full: 1_000_000 };
const ROUNDS = 5;
const READER = 'bench_reader';
const PASSWORD = 'bench';

export const asofSql: Benchmark = {
  name: 'asof-sql',
  title: 'As-of in SQL on the source, against a key SELECT through postgres_fdw',
  run: async (size, log) => {
    await using server = await benchServer();
    log(`generating ${VERSIONS[size]} versions`);
    const store = await generateHistory(server.storeUrl, { versions: VERSIONS[size], keys: KEYS[size] });
    const source = await connect(server.sourceUrl, { side: 'source', node: HISTORY_NODE });
    try {
      await store.query(
        `CREATE ROLE ${READER} LOGIN PASSWORD '${PASSWORD}' IN ROLE pgtimewarp_reader;
         GRANT SELECT ON public.accounts_now TO ${READER}`,
      );
      await source.query(
        'CREATE TABLE public.accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84))',
      );
      await install(source, 'plain', 'public');
      const { host, port, database } = parseConnectionUrl(server.storeUrl, 'store');
      await connectStore(source, 'public', {
        ...{ host, port, database, reader: READER, password: PASSWORD, node: HISTORY_NODE },
        ...{ sslRootCert: null, sslMode: null },
      });
      await source.query(
        `CREATE FOREIGN TABLE public.accounts_now (aid int, bid int, abalance int, filler char(84))
           SERVER pgtimewarp OPTIONS (schema_name 'public')`,
      );
      const at = `2026-01-01 00:00:00Z`;
      const instant = (share: number): string =>
        `timestamptz '${at}' + interval '${Math.floor(share * VERSIONS[size])} ms'`;
      const live = (): Promise<unknown> =>
        source.query(
          `SELECT n.aid, n.bid, n.abalance, n.filler FROM public.accounts_now n WHERE n.aid = ${drawKey(KEYS[size])}`,
        );
      const asof = (): Promise<unknown> =>
        source.query(
          `SELECT public.pgtimewarp_asof_pk('public.accounts', '${drawKey(KEYS[size])}', ${instant(0.5 + Math.random() / 2)})`,
        );
      const questions = size === 'quick' ? 200 : 1_000;
      log('asking');
      const times = { live: [] as number[], asof: [] as number[] };
      for (let round = 0; round < ROUNDS; round++) {
        const [lives, asofs]: number[][] = [[], []];
        for (let i = 0; i < questions; i++) {
          lives!.push(await timeMs(live)); // in turns, so that a slow moment of the machine meets both
          asofs!.push(await timeMs(asof));
        }
        times.live.push(median(lives!));
        times.asof.push(median(asofs!));
      }
      const ratios = times.asof.map((value, round) => value / times.live[round]!);
      return [
        figure('key SELECT through postgres_fdw, p50', times.live, 'ms', { digits: 3 }),
        figure('pgtimewarp_asof_pk, p50', times.asof, 'ms', { digits: 3 }),
        figure('pgtimewarp_asof_pk ÷ SELECT', ratios, '×', { target: '≤ 2' }),
      ];
    } finally {
      await Promise.all([store.end(), source.end()]);
    }
  },
};
