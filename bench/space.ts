/** What a version takes in the store, table and index, beside the text of the row itself, after real TPC-B traffic. */
import { connect } from '../core/pg/connection.ts';
import { poll } from '../core/poll.ts';
import { init } from '../core/setup/init.ts';
import { track } from '../core/track.ts';
import { type Benchmark, benchServer, figure } from './harness.ts';

export const space: Benchmark = {
  name: 'space',
  title: 'Bytes per version in the store, after TPC-B',
  run: async (size, log) => {
    await using server = await benchServer();
    const urls = { sourceUrl: server.sourceUrl, storeUrl: server.storeUrl, node: 'bench' };
    await server.pgbench('-i', '-q', '-s', size === 'quick' ? '1' : '10');
    await init({ ...urls, plugin: 'pgoutput', slotName: null, version: 'bench' });
    for (const name of ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches']) {
      await track({
        ...urls,
        table: { schema: 'public', name },
        exclude: [],
        baseline: false,
        retention: null,
      });
    }
    for (let round = 0; round < 4; round++) {
      log(`load and run ${round + 1} of 4`);
      await server.pgbench('-n', '-c', '4', '-j', '2', '-t', size === 'quick' ? '100' : '25000');
      await poll(urls);
    }
    const store = await connect(server.storeUrl, { side: 'store', node: 'bench' });
    try {
      const { rows } = await store.query<{ versions: string; bytes: string; text: string; map: string }>(
        `SELECT c.versions, c.text::float8::text AS text,
                (sum(pg_total_relation_size(t.relid)) / c.versions)::float8::text AS bytes,
                (pg_total_relation_size('pgtimewarp.lsn_time_map')::float8
                 / (SELECT count(*) FROM pgtimewarp.lsn_time_map))::text AS map
           FROM pg_partition_tree('pgtimewarp.row_changes') AS t,
                (SELECT count(*) AS versions, avg(octet_length(row_data::text)) AS text FROM pgtimewarp.row_changes) AS c
          GROUP BY c.versions, c.text`,
      );
      const bytes = Number(rows[0]!.bytes);
      const text = Number(rows[0]!.text);
      return [
        figure('versions', [Number(rows[0]!.versions)], '', { digits: 0 }),
        figure('JSON text of the row', [text], 'B', { digits: 0 }),
        figure('version, table and index', [bytes], 'B', { digits: 0 }),
        figure('beyond the text', [bytes - text], 'B', { digits: 0, target: '≤ 150' }),
        figure('entry of the time map, per commit', [Number(rows[0]!.map)], 'B', { digits: 0 }),
      ];
    } finally {
      await store.end();
    }
  },
};
