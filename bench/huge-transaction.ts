/**
 * Claim: a transaction of any size is streamed. The poller's resident memory stays at or below 200 MiB, readers see
 * nothing of it until all of it is there, and are never kept waiting.
 *
 * Usage: node bench/huge-transaction.ts [--rows 10000000] [--plugin wal2json|pgoutput]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Plugin } from '../core/types/plugin.ts';
import { benchNode, watchedPoll } from './support/bench-node.ts';

const LIMIT_MIB = 200;

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '10000000' }, plugin: { type: 'string', default: 'wal2json' } },
});
const rows = Number.parseInt(values.rows, 10);

await using node = await benchNode({
  plugin: values.plugin as Plugin,
  tables: `CREATE TABLE items (id int PRIMARY KEY, name text, price numeric, made timestamptz);
           INSERT INTO items VALUES (0, 'before', 1, now())`,
  track: ['items'],
});
console.log(`PostgreSQL ${node.server.version}, ${values.plugin}, ${rows} rows in one transaction`);
const writeStarted = performance.now();
await node.source(
  `INSERT INTO items SELECT i, 'item ' || i, i * 1.01, now() FROM generate_series(1, ${rows}) AS i`,
);
console.log(`written on the source in ${seconds(writeStarted)} s`);

const run = watchedPoll(node);
let over = false;
void run.finally(() => {
  over = true;
});
const READ = `SELECT count(*) AS seen FROM pgtimewarp.row_versions
               WHERE node_id = 'bench' AND schema_name = 'public' AND table_name = 'items' AND pk = '["1"]'`;
let [reads, slowestMs, firstSeen] = [0, 0, 'not before the end'];
const started = performance.now();
while (!over) {
  const readStarted = performance.now();
  const [row] = await node.store(READ);
  slowestMs = Math.max(slowestMs, performance.now() - readStarted);
  reads++;
  if (row!.seen !== '0' && firstSeen.startsWith('not')) firstSeen = `${seconds(started)} s`;
  await sleep(200);
}
const { code, peakMib, result, ...rest } = await run;
const [stored] = await node.store('SELECT count(*) AS count FROM pgtimewarp.row_changes');
console.log(
  `run: exit code ${code}, ${rest.seconds.toFixed(1)} s, ${result.changes} changes in ${result.transactions} transactions`,
);
console.log(`peak resident memory: ${peakMib} MiB (limit ${LIMIT_MIB})`);
console.log(
  `reads meanwhile: ${reads}, slowest ${slowestMs.toFixed(0)} ms with its connection; first seen: ${firstSeen}`,
);
console.log(`rows in the store: ${stored!.count}`);
if (code !== 0 || peakMib > LIMIT_MIB || stored!.count !== String(rows + 1)) process.exitCode = 1;

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
