/** What a version takes in the store, table and index, beside the text of the row itself, after real TPC-B traffic. */
import { connect } from '../core/pg/connection.ts';
import { poll } from '../core/poll.ts';
import { type Benchmark, benchServer, figure } from './harness.ts';
import { AUDIT_TRIGGERS, TPCB_TABLES } from './support/history-triggers.ts';
import { observe } from './support/observe.ts';

const ROUNDS = 3;

export const space: Benchmark = {
  name: 'space',
  title: 'Bytes per version in the store, after TPC-B',
  run: async (size, log) => {
    await using server = await benchServer();
    const urls = { sourceUrl: server.sourceUrl, storeUrl: server.storeUrl, node: 'bench' };
    await server.pgbench('-i', '-q', '-s', size === 'quick' ? '1' : '10');
    await observe(urls, 'pgoutput', TPCB_TABLES);
    const transactions = String(size === 'quick' ? 100 : size === 'usual' ? 8_000 : 25_000);
    for (let round = 0; round < ROUNDS; round++) {
      log(`load and run ${round + 1} of ${ROUNDS}`);
      await server.pgbench('-n', '-c', '4', '-j', '2', '-t', transactions);
      await poll(urls);
    }
    log('the same through an audit trigger');
    await server.psql(server.sourceUrl, AUDIT_TRIGGERS);
    await server.pgbench('-n', '-c', '4', '-j', '2', '-t', transactions);
    const audit = await server.psql(
      server.sourceUrl,
      "SELECT pg_total_relation_size('audit_log')::float8 / (SELECT count(*) FROM audit_log)",
    );
    const store = await connect(server.storeUrl, { side: 'store', node: 'bench' });
    try {
      const sizes = `SELECT sum(pg_table_size(relid))::float8::text AS heap, sum(pg_indexes_size(relid))::float8::text AS index
                       FROM pg_partition_tree('pgtimewarp.row_changes')`;
      const [facts, map, before] = [
        await store.query<{ versions: string; text: string }>(
          'SELECT count(*) AS versions, avg(octet_length(row_data::text))::float8::text AS text FROM pgtimewarp.row_changes',
        ),
        await store.query<{ bytes: string }>(
          `SELECT (pg_total_relation_size('pgtimewarp.lsn_time_map')::float8 / count(*))::text AS bytes
             FROM pgtimewarp.lsn_time_map`,
        ),
        await store.query<{ heap: string; index: string }>(sizes),
      ];
      await store.query('REINDEX TABLE pgtimewarp.row_changes');
      const rebuilt = await store.query<{ heap: string; index: string }>(sizes);
      const versions = Number(facts.rows[0]!.versions);
      const text = Number(facts.rows[0]!.text);
      const heap = Number(before.rows[0]!.heap) / versions;
      const index = Number(before.rows[0]!.index) / versions;
      const bytes = (what: string, value: number, target?: string) =>
        figure(what, [value], 'B', { digits: 0, ...(target === undefined ? {} : { target }) });
      return [
        figure('versions', [versions], '', { digits: 0 }),
        bytes('JSON text of the row', text),
        bytes('version in the table', heap),
        bytes('version in the index', index),
        bytes('version in the index, after a rebuild', Number(rebuilt.rows[0]!.index) / versions),
        bytes('table and index, beyond the text', heap + index - text, '≤ 150'),
        bytes('JSON audit trigger: table and index per change', Number(audit)),
        bytes('entry of the time map, per commit', Number(map.rows[0]!.bytes), '≤ 100'),
      ];
    } finally {
      await store.end();
    }
  },
};
