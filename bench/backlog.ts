/**
 * Claim: a backlog of any size is caught up by bounded runs. With WAL waiting, and a transaction open the while that pins
 * where every peek begins, each run of a minute gets on and ends before its deadline.
 *
 * Usage: node bench/backlog.ts [--wal-gib 5] [--run-seconds 60] [--plugin wal2json|pgoutput] [--pinned]
 */
import { parseArgs } from 'node:util';
import pg from 'pg';
import type { Plugin } from '../core/types/plugin.ts';
import { benchNode, watchedPoll } from './support/bench-node.ts';

const LIMIT_MIB = 200;

const { values } = parseArgs({
  options: {
    'wal-gib': { type: 'string', default: '5' },
    'run-seconds': { type: 'string', default: '60' },
    plugin: { type: 'string', default: 'wal2json' },
    pinned: { type: 'boolean', default: false },
  },
});
const runSeconds = Number.parseInt(values['run-seconds'], 10);

await using node = await benchNode({
  plugin: values.plugin as Plugin,
  tables: `CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, body text NOT NULL);
           INSERT INTO items SELECT i, 0, md5(i::text) FROM generate_series(1, 100000) AS i;
           CREATE TABLE elsewhere (id int)`,
  track: ['items'],
  settings: { max_wal_size: '1GB' },
});
console.log(`PostgreSQL ${node.server.version}, ${values.plugin}, ${values['wal-gib']} GiB of WAL waiting`);

// A transaction that began before the backlog and stays: restart_lsn cannot move while it is open.
const open = new pg.Client({ connectionString: node.sourceUrl });
await open.connect();
if (values.pinned) await open.query('BEGIN; INSERT INTO elsewhere VALUES (1)');

const writer = new pg.Client({ connectionString: node.sourceUrl });
await writer.connect();
const wanted = `${Number(values['wal-gib'])} * 1024 * 1024 * 1024::numeric`;
const start = (await writer.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn')).rows[0]!.lsn;
for (let full = false; !full; ) {
  await writer.query(`DO $$ BEGIN FOR i IN 1..100 LOOP
    UPDATE items SET n = n + 1, body = md5(random()::text) WHERE id % 100 = i - 1; COMMIT; END LOOP; END $$`);
  const { rows } = await writer.query<{ full: boolean }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn) >= ${wanted} AS full`,
    [start],
  );
  full = rows[0]!.full;
}
await writer.end();

let wrong = false;
let before = '';
for (let run = 1; ; run++) {
  const { code, seconds, peakMib, result } = await watchedPoll(node, '--max-seconds', String(runSeconds));
  console.log(
    `run ${run}: ${result.outcome}, ${seconds.toFixed(1)} s, ${result.changes} changes, ` +
      `${(result.lag_bytes / 2 ** 20).toFixed(0)} MiB to go, peak ${peakMib} MiB`,
  );
  const stuck = result.applied_lsn === before;
  if (code !== 0 || seconds > runSeconds + 5 || peakMib > LIMIT_MIB || stuck) wrong = true;
  if (result.outcome === 'done' || code !== 0 || stuck) break;
  before = result.applied_lsn;
}
await open.end();
console.log(wrong ? 'WRONG: see above' : 'every run got on and ended in time');
process.exitCode = wrong ? 1 : 0;
