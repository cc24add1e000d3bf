/** init and deinit can be repeated and are never half done, and the horizon at which the node starts is right. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { poll } from '../../../core/poll.ts';
import { asOfEach } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { deinit } from '../../../core/setup/deinit.ts';
import { type InitOptions, init } from '../../../core/setup/init.ts';
import { readNode, recordSetupIntent } from '../../../core/store/node/nodes.ts';
import { track } from '../../../core/track.ts';
import { describeNeeding, wal2json } from '../../support/needs.ts';
import { runCli, spawnCli } from '../../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

let databases: TestDatabases;

beforeEach(async () => {
  databases = await testDatabases({ tables: 'CREATE TABLE t (id int PRIMARY KEY, v text)' });
});

afterEach(async () => databases?.[Symbol.asyncDispose]());

function options(changes: Partial<Omit<InitOptions, 'onProgress'>> = {}): Omit<InitOptions, 'onProgress'> {
  const { sourceUrl, storeUrl, node } = databases;
  return { sourceUrl, storeUrl, node, plugin: 'pgoutput', slotName: null, version: '0', ...changes };
}

async function slots(): Promise<string[]> {
  const { rows } = await databases.source.query<{ slot_name: string }>(
    'SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1',
  );
  return rows.map((row) => row.slot_name);
}

async function publications(): Promise<string[]> {
  const { rows } = await databases.source.query<{ pubname: string }>(
    'SELECT pubname FROM pg_publication ORDER BY 1',
  );
  return rows.map((row) => row.pubname);
}

/** The present position and time of the source. */
async function position(): Promise<{ lsn: string; time: string }> {
  const { rows } = await databases.source.query<{ lsn: string; time: string }>(
    `SELECT pg_current_wal_insert_lsn()::text AS lsn,
            to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time`,
  );
  return rows[0]!;
}

async function nodeRows(): Promise<unknown[]> {
  return (await databases.store.query('SELECT node_id, status FROM pgtimewarp.nodes')).rows;
}

describe('init', () => {
  test('makes slot, publication and node; the second time it makes nothing', async () => {
    const cli = (): ReturnType<typeof runCli> =>
      runCli(['init', '--plugin', 'pgoutput', '--json'], { env: databases.env });
    const first = await cli();
    expect(first.code, first.stderr).toBe(0);
    const { node, slot, publication } = databases;
    expect(first.json()).toMatchObject({ created: true, node, slot, publication, plugin: 'pgoutput' });
    const second = await cli();
    expect(second.json()).toEqual({ ...(first.json() as object), created: false });
    expect([await slots(), await publications()]).toEqual([[slot], [publication]]);
    const { rows } = await databases.source.query(
      'SELECT pubviaroot, puballtables, (SELECT count(*)::int FROM pg_publication_tables) AS tables FROM pg_publication',
    );
    expect(rows).toEqual([{ pubviaroot: false, puballtables: false, tables: 0 }]);
  });

  test('run twice at the same time, makes the node once', async () => {
    const { source } = databases;
    await source.query(`BEGIN; INSERT INTO t VALUES (1, 'open')`); // keeps the first init waiting for its slot
    const both = Promise.allSettled([init(options()), init(options())]);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await source.query('COMMIT');
    const created = (await both).map((each) =>
      each.status === 'fulfilled' ? each.value.created : each.reason,
    );
    expect(created.sort()).toEqual([false, true]);
    expect(await slots()).toEqual([databases.slot]);
  });

  test('the node begins at the end of WAL, at the time of that, after its slot was made', async () => {
    const { source, store, node, slot } = databases;
    const now = 'SELECT clock_timestamp()::text AS time, pg_current_wal_insert_lsn()::text AS lsn';
    const { rows: before } = await source.query<{ time: string; lsn: string }>(now);
    await init(options());
    const { rows: after } = await source.query<{ time: string; lsn: string }>(now);
    const { rows } = await store.query<{ applied_lsn: string; applied_ts: string }>(
      'SELECT applied_lsn, applied_ts FROM pgtimewarp.wal_checkpoints WHERE node_id = $1',
      [node],
    );
    const { applied_lsn: lsn, applied_ts: time } = rows[0]!;
    const begins = await source.query(
      `SELECT $2::pg_lsn BETWEEN confirmed_flush_lsn AND $3::pg_lsn AS lsn,
              $4::timestamptz BETWEEN $5::timestamptz AND $6::timestamptz AS time
         FROM pg_replication_slots WHERE slot_name = $1`,
      [slot, lsn, after[0]!.lsn, time, before[0]!.time, after[0]!.time],
    );
    expect(begins.rows).toEqual([{ lsn: true, time: true }]);
    const map = await store.query('SELECT lsn, ts FROM pgtimewarp.lsn_time_map WHERE node_id = $1', [node]);
    expect(map.rows).toEqual([{ lsn, ts: time }]);
  });

  test('does not touch slots of other owners', async () => {
    await databases.source.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [
      databases.slot,
    ]);
    await expect(init(options())).rejects.toMatchObject({ code: 'SLOT_CONFLICT' });
    expect([await slots(), await nodeRows(), await publications()]).toEqual([[databases.slot], [], []]);
    await init(options({ slotName: `${databases.slot}_2` }));
    expect(await slots()).toEqual([databases.slot, `${databases.slot}_2`]);
  });

  test('makes a new slot in place of one that a killed init left behind', async () => {
    const { source, store, node, slot } = databases;
    const { rows } = await source.query<{ id: string }>(
      'SELECT system_identifier::text AS id FROM pg_control_system()',
    );
    const database = new URL(databases.sourceUrl).pathname.slice(1);
    await recordSetupIntent(store, {
      node,
      systemIdentifier: rows[0]!.id,
      timeline: 1,
      database,
      slotName: slot,
      plugin: 'pgoutput',
      version: '0',
    });
    await source.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
    expect(await init(options())).toMatchObject({ created: true });
    expect(await poll(options())).toMatchObject({ outcome: 'done' });
  });

  test('interrupted while it waits for an open transaction, leaves nothing', async () => {
    const { source, env } = databases;
    const other = await databases.connect('source');
    await source.query(`BEGIN; INSERT INTO t VALUES (1, 'open')`);
    const { child, result } = spawnCli(['init', '--plugin', 'pgoutput', '--json'], { env });
    await expect
      .poll(
        async () => {
          const waiting = `SELECT count(*)::int AS n FROM pg_stat_activity
                          WHERE application_name LIKE 'pgtimewarp/%' AND datname = current_database() AND wait_event_type = 'Lock'`;
          return (await other.query(waiting)).rows[0].n;
        },
        { timeout: 10_000 },
      )
      .toBe(1);
    child.kill('SIGINT');
    const ended = await result;
    expect(ended.code).toBe(130);
    expect(ended.json()).toMatchObject({ error: { code: 'INTERRUPTED' } });
    await source.query('COMMIT');
    expect([await slots(), await nodeRows()]).toEqual([[], []]);
  });

  test('reports that the slot or the publication of the node is gone', async () => {
    const { source, slot, publication } = databases;
    await init(options());
    await source.query(`DROP PUBLICATION ${publication}`);
    await expect(init(options())).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
    await source.query('SELECT pg_drop_replication_slot($1)', [slot]);
    await expect(init(options())).rejects.toMatchObject({
      code: 'SLOT_MISSING',
      remedy: /rebaseline --node/,
    });
    expect(await slots()).toEqual([]);
  });

  test('refuses another source under the same name', async () => {
    await init(options());
    await using other = await testDatabases();
    await expect(init(options({ sourceUrl: other.sourceUrl }))).rejects.toMatchObject({
      code: 'NODE_CONFLICT',
    });
  });
});

describe('deinit', () => {
  const trackT = (): ReturnType<typeof track> =>
    track({
      ...options(),
      table: { schema: 'public', name: 't' },
      exclude: [],
      baseline: true,
      retention: null,
    });

  test('leaves nothing on the source and keeps the history in the store; a new init continues it', async () => {
    const { source, store, node } = databases;
    await init(options());
    await source.query(`INSERT INTO t VALUES (1, 'first')`);
    await trackT();
    const result = await runCli(['deinit', '--json'], { env: databases.env });
    expect(result.json()).toEqual({
      node,
      removed: true,
      slot_dropped: true,
      publication_dropped: true,
      purged: false,
    });
    expect([await slots(), await publications()]).toEqual([[], []]);
    const { rows } = await store.query(
      `SELECT r.status, r.tracked_to_lsn = c.applied_lsn AS ends, n.status AS node
         FROM pgtimewarp.tracked_relations r JOIN pgtimewarp.wal_checkpoints c USING (node_id) JOIN pgtimewarp.nodes n USING (node_id)`,
    );
    expect(rows).toEqual([{ status: 'untracked', ends: true, node: 'removed' }]);
    await expect(poll(options())).rejects.toMatchObject({ code: 'NODE_UNKNOWN' });
    expect(await deinit({ ...options(), purge: false })).toMatchObject({
      removed: false,
      slotDropped: false,
    });

    const before = await store.query('SELECT applied_ts FROM pgtimewarp.wal_checkpoints');
    expect(await init(options())).toMatchObject({ created: true });
    const after = await store.query(
      'SELECT lsn_space, applied_ts > $1::timestamptz AS later FROM pgtimewarp.wal_checkpoints',
      [before.rows[0].applied_ts],
    );
    expect(after.rows).toEqual([{ lsn_space: 1, later: true }]);
    expect(await poll(options())).toMatchObject({ outcome: 'done' });
  });

  test('a node that is created again on the same server keeps its answers, by time and by LSN', async () => {
    const { source, store } = databases;
    await source.query(`INSERT INTO t VALUES (1, 'first')`);
    const before = await position();
    await init(options());
    await trackT();
    await poll(options());
    const tracked = await position();
    await poll(options());
    const answers = async (): Promise<unknown[]> => {
      const asked = [before.lsn, before.time, tracked.lsn, tracked.time].map((at) => ({
        node: databases.node,
        table: { schema: 'public', name: 't' },
        pk: keyFromText('1'),
        at: parseInstant(at),
      }));
      return (await asOfEach(store, asked)).map(({ answerText }) => {
        const { status, reason, final, row } = JSON.parse(answerText) as Record<string, unknown>;
        return { status, reason, final, row };
      });
    };
    const first = await answers();
    expect(first).toMatchObject([
      { reason: 'before_tracking', final: true },
      { reason: 'before_tracking', final: true },
      { status: 'found', final: true },
      { status: 'found', final: true },
    ]);
    for (let time = 0; time < 2; time++) {
      await deinit({ ...options(), purge: false });
      expect(await answers()).toEqual(first);
      await init(options());
      expect(await answers()).toEqual(first);
      await trackT();
      expect(await answers()).toEqual(first);
    }
  });

  test('on another server positions begin again, also after a first attempt that was interrupted', async () => {
    const { store, node } = databases;
    await init(options());
    await deinit({ ...options(), purge: false });
    const identity = { ...(await readNode(store, node))!, version: '0' };
    await store.query(`UPDATE pgtimewarp.nodes SET system_identifier = '1'`); // as if the position came from another server
    await recordSetupIntent(store, identity);
    await store.query(`UPDATE pgtimewarp.wal_checkpoints SET map_from_lsn = 'FFFFFFFF/0'`); // retention has deleted entries of the map
    await init(options());
    const { rows } = await store.query('SELECT lsn_space, map_from_lsn FROM pgtimewarp.wal_checkpoints');
    expect(rows, 'commits that come again are compared from the beginning').toEqual([
      { lsn_space: 2, map_from_lsn: null },
    ]);
    await deinit({ ...options(), purge: false });
    await init(options());
    const again = await store.query('SELECT lsn_space FROM pgtimewarp.wal_checkpoints');
    expect(again.rows, 'known by now').toEqual([{ lsn_space: 2 }]);
  });

  test('--purge removes the node completely, also if it was removed before', async () => {
    const { store, node } = databases;
    await init(options());
    await databases.source.query(`INSERT INTO t VALUES (1, 'first')`);
    await trackT();
    await deinit({ ...options(), purge: false });
    expect(await deinit({ ...options(), purge: true })).toMatchObject({ removed: false, purged: true });
    const { rows } = await store.query<{ name: string; rows: number }>(
      `SELECT c.relname AS name,
              (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM pgtimewarp.%I', c.relname), false, true, '')))[1]::text::int AS rows
         FROM pg_class c
        WHERE c.relnamespace = 'pgtimewarp'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname !~ '^schema_'`,
    );
    expect(rows.filter((row) => row.rows > 0 || /_r\d+$/.test(row.name))).toEqual([]);
    await expect(deinit({ ...options(), purge: true })).rejects.toMatchObject({
      code: 'NODE_UNKNOWN',
      facts: { node },
    });
  });

  test('does not wait for a run that is under way', async () => {
    const { store, node } = databases;
    await init(options());
    await store.query('SELECT pg_advisory_lock($1::int, hashtext($2::text))', [0x70677477, node]); // like a run
    await store.query(`UPDATE pgtimewarp.wal_checkpoints
      SET lease_pid = pg_backend_pid(), lease_until = now() + interval '1 hour'`);
    await expect(deinit({ ...options(), purge: false })).rejects.toMatchObject({
      code: 'SLOT_BUSY',
      action: 'retry',
    });
    expect(await slots()).toEqual([databases.slot]);
  });
});

describeNeeding(wal2json(), 'with wal2json', () => {
  test('init needs no publication', async () => {
    expect(await init(options({ plugin: null }))).toMatchObject({
      created: true,
      publication: null,
      node: { plugin: 'wal2json' },
    });
    expect([await slots(), await publications()]).toEqual([[databases.slot], []]);
  });
});
