/**
 * What one row costs to read through the archive: as of a random instant, from 100 units, with 20 ms added to each request to the bucket.
 * The units are small here. What grows with them is one page of each column, up to 16 kB before compression. Then the whole table as of an
 * instant, out of the older half of the units.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Client } from 'pg';
import { setArchive } from '../core/archive/change-archive.ts';
import { ObjectStore } from '../core/archive/object-store.ts';
import { archiveReader } from '../core/archive/read-archived.ts';
import { asOf } from '../core/query/as-of.ts';
import { parseInstant } from '../core/query/instant.ts';
import { keyFromText } from '../core/query/key-input.ts';
import { openTable, tableRows } from '../core/query/table-rows.ts';
import { archiveTools } from '../test/support/archive-tools.ts';
import { httpGate } from '../test/support/http-gate.ts';
import { startSeaweed } from '../test/support/seaweed.ts';
import { generateHistory, HISTORY_NODE, HISTORY_TABLE } from './generated-history.ts';
import { type Benchmark, benchServer, type Figure, figure, type Size } from './harness.ts';

const VERSIONS: Readonly<Record<Size, number>> = { quick: 50_000, usual: 200_000, full: 2_000_000 };
const UNITS = 100;
const QUESTIONS = 60;
const ADDED_MS = 20;

export const archiveKeys: Benchmark = {
  name: 'archive-keys',
  title: `One row as of an instant through an archive of ${UNITS} units, ${ADDED_MS} ms added to each request`,
  run: async (size, log) => {
    const tools = archiveTools();
    if (!tools.met) {
      log(`no figures without ${tools.what}: ${tools.remedy}`);
      return [];
    }
    await using databases = await benchServer();
    await using seaweed = await startSeaweed();
    const versions = VERSIONS[size];
    const keys = versions / 10;
    const store = await generateHistory(databases.storeUrl, { versions, keys });
    try {
      const where = { storeUrl: databases.storeUrl, node: HISTORY_NODE };
      // an eighth of this is a hundredth of the history
      const hot = `${Math.floor((versions * 8) / (UNITS + 8))} ms`;
      await setArchive(where, HISTORY_TABLE, { hot, minRows: 1, drops: false });
      const env = { ...process.env, ...seaweed.env };
      const child = new URL('./archive-child.ts', import.meta.url).pathname;
      await promisify(execFile)(process.execPath, [child, databases.storeUrl, HISTORY_NODE], { env });
      await declareDropped(store);
      await using gate = await httpGate(seaweed.s3Url);
      let requests = 0;
      gate.decide(async () => {
        requests += 1;
        await sleep(ADDED_MS);
        return 'pass' as const;
      });
      Object.assign(process.env, seaweed.env, { AWS_ENDPOINT_URL_S3: gate.url });
      const objects = new CountingStore();
      const readArchive = archiveReader(() => objects);
      const times: number[] = [];
      const bytes: number[] = [];
      for (let count = 0; count < QUESTIONS; count++) {
        const aid = 1 + Math.floor((count * keys) / QUESTIONS);
        const millis = Math.floor((versions * (count + 1)) / (QUESTIONS + 20));
        const at = parseInstant(new Date(Date.UTC(2026, 0, 1) + millis).toISOString());
        const [start, before] = [performance.now(), objects.bytes];
        await asOf(store, {
          node: HISTORY_NODE,
          table: HISTORY_TABLE,
          pk: keyFromText(String(aid)),
          at,
          readArchive,
        });
        times.push(performance.now() - start);
        bytes.push(objects.bytes - before);
      }
      return [
        figure('one row, p50', times, 'ms', { target: '≤ 150' }),
        figure(
          'bytes read for it',
          bytes.map((each) => each / 1000),
          'kB',
          { target: '≤ 130' },
        ),
        figure('requests for it', [requests / QUESTIONS], ''),
        ...(await wholeTable(store, objects, versions)),
      ];
    } finally {
      await store.end();
    }
  },
};

/** All rows as of the middle of the history. Half of its versions lie before that. */
async function wholeTable(store: Client, objects: CountingStore, versions: number): Promise<Figure[]> {
  const at = parseInstant(new Date(Date.UTC(2026, 0, 1) + versions / 2).toISOString());
  const [start, cpu, before] = [performance.now(), process.cpuUsage(), objects.bytes];
  const readArchive = archiveReader(() => objects);
  const table = await openTable(store, {
    node: HISTORY_NODE,
    table: HISTORY_TABLE,
    at,
    unknown: 'skip',
    readArchive,
  });
  let rows = 0;
  for await (const page of tableRows(store, table)) rows += page.rows.length;
  const { user, system } = process.cpuUsage(cpu);
  return [
    figure('whole table, rows', [rows], ''),
    figure('versions read for a second of processor', [versions / 2 / ((user + system) / 1e6)], ''),
    figure('seconds', [(performance.now() - start) / 1000], 's'),
    figure('bytes read for a version', [(objects.bytes - before) / (versions / 2)], 'B'),
  ];
}

/** Counts what is read. */
class CountingStore extends ObjectStore {
  bytes = 0;

  override async getRange(...asked: Parameters<ObjectStore['getRange']>): Promise<Uint8Array> {
    const bytes = await super.getRange(...asked);
    this.bytes += bytes.length;
    return bytes;
  }
}

/** Questions go to the archive from here on, as if ranges had been dropped. */
async function declareDropped(store: Awaited<ReturnType<typeof generateHistory>>): Promise<void> {
  await store.query(
    `INSERT INTO pgtimewarp.archive_cutoffs (relation_id, before_lsn, before_ts, upto_lsn, cutoff_xid, has_changed, unread_lsns)
     SELECT u.relation_id, max(u.to_lsn), max(u.to_ts), max(u.to_lsn), pg_current_xact_id(), false, '{}'
       FROM pgtimewarp.archive_units AS u GROUP BY u.relation_id`,
  );
}
