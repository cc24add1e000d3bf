/** States that need their own server: used-up limits, settings that endanger the slot, a stopped server. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { findEmbeddedBinaries, type PostgresBinaries } from '../../../cli/servers/find-binaries.ts';
import { type LocalServer, startServer } from '../../../cli/servers/start-server.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { type CommandDatabases, runCommand } from '../../support/command.ts';
import { pasteRemedy, troubles, verdicts } from '../../support/doctored.ts';
import { connectForTest, queryOnce } from '../../support/test-client.ts';

interface SmallServer extends AsyncDisposable {
  readonly server: LocalServer;
  readonly urls: CommandDatabases;
  sql(text: string): Promise<pg.QueryResult>;
}

/** Source and store on one server, with one tracked table. */
async function smallServer(
  binaries: PostgresBinaries,
  settings: Readonly<Record<string, string>>,
): Promise<SmallServer> {
  const server = await startServer({ binaries, settings });
  await server.createDatabase('source');
  await server.createDatabase('store');
  const urls = { sourceUrl: server.url('source'), storeUrl: server.url('store'), node: 'small' };
  const sql = (text: string): Promise<pg.QueryResult> => queryOnce(urls.sourceUrl, text);
  await sql('CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 10)');
  await runCommand(['init', '--plugin', 'pgoutput'], urls);
  await runCommand(['track', 'orders'], urls);
  return { server, urls, sql, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Waits for a reloaded setting, which takes effect a moment later. */
async function settled(urls: CommandDatabases): Promise<void> {
  for (let tries = 0; tries < 20 && (await troubles(urls)).length > 0; tries++) await sleep(100);
  expect(await troubles(urls)).toEqual([]);
}

const noise = (megabytes: number): string =>
  `SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) FROM generate_series(1, ${megabytes})`;

test('a small server: it reaches each limit in turn', { timeout: 180_000 }, async () => {
  await using small = await smallServer((await chooseServer()).binaries, {
    max_replication_slots: '1',
    max_connections: '20',
    superuser_reserved_connections: '0',
    max_wal_size: '1GB',
    max_slot_wal_keep_size: '64MB',
  });
  const { server, urls, sql } = small;

  // the server has only written its own set-up so far: that is far more than 64 MB an hour
  const limits = await troubles(urls);
  expect(verdicts(limits)).toEqual(['warn slots_left', 'warn wal_keep_size']);
  await pasteRemedy(urls, limits, 'slots_left');
  await pasteRemedy(urls, limits, 'wal_keep_size');
  await server.restart();
  expect(await troubles(urls)).toEqual([]);

  const idle: pg.Client[] = [];
  for (let n = 0; n < 17; n++) idle.push(await connectForTest(server.url('postgres')));
  const crowded = await troubles(urls);
  expect(verdicts(crowded)).toEqual(['warn store_connections']);
  await pasteRemedy(urls, crowded, 'store_connections');
  await server.restart();
  await Promise.all(idle.map((session) => session.end().catch(() => undefined)));
  for (let n = 0; n < 17; n++) idle[n] = await connectForTest(server.url('postgres'));
  expect(await troubles(urls)).toEqual([]);
  await Promise.all(idle.map((session) => session.end()));

  await runCommand(['release-slot', '--budget', '5MB'], urls);
  await sql(`BEGIN; UPDATE orders SET total = 11; PREPARE TRANSACTION 'it''s open'`);
  await sql(noise(6));
  await runCommand(['poll'], urls);
  const pinned = await troubles(urls);
  expect(verdicts(pinned)).toEqual(['fail wal_budget']);
  expect(pinned[0]!.message).toContain(`the prepared transaction 'it's open'`);
  await pasteRemedy(urls, pinned, 'wal_budget');
  expect(await troubles(urls)).toEqual([]);

  await sql(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`);
  await sql('SELECT pg_reload_conf()');
  await sql(noise(40));
  await sleep(200);
  const endangered = await troubles(urls);
  expect(verdicts(endangered)).toEqual(['fail wal_budget', 'warn slot_wal', 'warn wal_keep_size']);
  await pasteRemedy(urls, endangered, 'slot_wal');
  await sql('CHECKPOINT');
  await runCommand(['poll'], urls);
  expect(verdicts(await troubles(urls)).filter((verdict) => !/wal_keep_size/.test(verdict))).toEqual([]);
  await sql('ALTER SYSTEM RESET max_slot_wal_keep_size');
  await sql(`ALTER SYSTEM SET max_slot_wal_keep_size = '-1'`);
  await sql('SELECT pg_reload_conf()');
  await settled(urls);

  await sql(`SELECT pg_drop_replication_slot('pgtimewarp_small')`);
  await sql('ALTER SYSTEM SET wal_level = replica');
  await server.restart();
  const replica = await troubles(urls);
  expect(verdicts(replica)).toEqual(['fail wal_level', 'fail slot_present']);
  await pasteRemedy(urls, replica, 'wal_level');
  await server.restart();
  await pasteRemedy(urls, replica, 'slot_present');
  expect(await troubles(urls)).toEqual([]);

  await server.stop();
  expect(verdicts(await troubles(urls))).toEqual(['fail source_reachable', 'fail store_reachable']);
  await server.start(); // the remedy
  expect(await troubles(urls)).toEqual([]);
});

test('PostgreSQL 18 removes slots that look idle: warn idle_slot_timeout', { timeout: 120_000 }, async ({
  skip,
}) => {
  const binaries = (await findEmbeddedBinaries()).find(({ version }) => Number.parseInt(version, 10) >= 18);
  if (binaries === undefined) return skip('missing: PostgreSQL 18 (npm install)');
  await using small = await smallServer(binaries, { idle_replication_slot_timeout: '10min' });
  const found = await troubles(small.urls);
  expect(verdicts(found)).toEqual(['warn idle_slot_timeout']);
  await pasteRemedy(small.urls, found, 'idle_slot_timeout');
  await settled(small.urls);
});
