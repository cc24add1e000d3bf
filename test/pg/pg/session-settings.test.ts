/**
 * Settings of server, database and role do not affect our sessions. Each setting that could change a value, hide a row or end a
 * session is made hostile first, for both sides and for a session that is used again.
 */
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, resetSession } from '../../../core/pg/connection.ts';
import type { DatabaseSide } from '../../../core/pg/database-error.ts';
import { TRANSACTION_OUTPUT_SQL } from '../../../core/pg/session-settings.ts';
import { poll } from '../../../core/poll.ts';
import { HOSTILE, settingValue } from '../../support/hostile-settings.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { connectForTest } from '../../support/test-client.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TRANSACTION_TIMEOUT = 170_000;

let node: TrackedNode;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE things (id int PRIMARY KEY, bytes bytea, span interval, many text[])',
    track: ['things'],
  });
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

function urlOf(of: TrackedNode, side: DatabaseSide): string {
  return side === 'source' ? of.sourceUrl : of.storeUrl;
}

async function show(session: pg.Client): Promise<Record<string, string>> {
  const { rows } = await session.query<{ name: string; value: string }>(
    `SELECT s.name, current_setting(s.name) AS value
       FROM pg_catalog.pg_settings AS s
      WHERE lower(s.name) = ANY ($1::text[]) OR s.name = 'transaction_timeout'`,
    [Object.keys(HOSTILE).map((name) => name.toLowerCase())],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/** Gives the database the hostile settings while `work` runs. */
async function amongHostile(of: TrackedNode, side: DatabaseSide, work: () => Promise<void>): Promise<void> {
  const admin = await connectForTest(urlOf(of, side));
  const { rows } = await admin.query<{ database: string; version: number }>(
    `SELECT quote_ident(current_database()) AS database, current_setting('server_version_num')::int AS version`,
  );
  const { database, version } = rows[0]!;
  const settings = {
    ...HOSTILE,
    ...(version >= TRANSACTION_TIMEOUT ? { transaction_timeout: '200ms' } : {}),
  };
  try {
    for (const [name, value] of Object.entries(settings)) {
      await admin.query(`ALTER DATABASE ${database} SET ${name} = ${settingValue(name, value)}`);
    }
    await work();
  } finally {
    await admin.query('SET default_transaction_read_only = off');
    await admin.query(`ALTER DATABASE ${database} RESET ALL`);
    await admin.end();
  }
}

for (const side of ['source', 'store'] as const) {
  test(`a session of the ${side} has the same settings whatever its database sets, new or used again`, async () => {
    const plain = await connect(urlOf(node, side), { side, node: node.node });
    const expected = await show(plain);
    await plain.end();
    expect(Object.keys(expected).length).toBeGreaterThanOrEqual(Object.keys(HOSTILE).length);
    await amongHostile(node, side, async () => {
      const session = await connect(urlOf(node, side), { side, node: node.node });
      try {
        expect(await show(session)).toEqual(expected);
        await resetSession(session, side);
        expect(await show(session)).toEqual(expected);
      } finally {
        await session.end();
      }
    });
  });
}

test('a requested time limit stays in force', async () => {
  const session = await connect(node.storeUrl, { side: 'store', node: node.node, statementTimeoutMs: 50 });
  try {
    await expect(session.query('SELECT pg_sleep(5)')).rejects.toMatchObject({ code: '57014' });
  } finally {
    await session.end();
  }
});

test('commits of the store wait for its disk, those of the source for no standby', async () => {
  for (const [side, value] of [
    ['source', 'local'],
    ['store', 'on'],
  ] as const) {
    const session = await connect(urlOf(node, side), { side, node: node.node });
    expect((await session.query('SHOW synchronous_commit')).rows[0]).toEqual({ synchronous_commit: value });
    await session.end();
  }
});

test('a transaction that sets its own settings prints values in our form in every session', async () => {
  const session = await connectForTest(node.sourceUrl);
  try {
    for (const [name, value] of Object.entries(HOSTILE))
      if (!/timeout|read_only/.test(name)) await session.query(`SET ${name} = ${settingValue(name, value)}`);
    await session.query(`BEGIN; ${TRANSACTION_OUTPUT_SQL}`);
    const { rows } = await session.query(
      `SELECT '\\x41ff42'::bytea::text AS bytes, '1 day 02:03'::interval::text AS span, (1.0::float8 / 3)::text AS third,
              '2026-01-02 03:04:05+00'::timestamptz::text AS instant, 'int4'::regtype::text AS type`,
    );
    expect(rows).toEqual([
      {
        bytes: '\\x41ff42',
        span: '1 day 02:03:00',
        third: '0.3333333333333333',
        instant: '2026-01-02 03:04:05+00',
        type: 'integer',
      },
    ]);
    await session.query('ROLLBACK');
  } finally {
    await session.end();
  }
});

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `runs through ${plugin}`, () => {
    test('runs and questions work and store the same with hostile settings of both databases', async () => {
      await using own = await trackedNode({
        plugin,
        tables: 'CREATE TABLE things (id int PRIMARY KEY, bytes bytea, span interval, many text[])',
        track: ['things'],
      });
      const insert = (id: number) =>
        own.source.query(
          `INSERT INTO things SELECT ${id}, '\\x41ff42'::bytea, '1 day 02:03'::interval, ARRAY['a', NULL]::text[] UNION ALL
           SELECT i * 10 + ${id}, repeat('x', 100)::bytea, '1s', '{}' FROM generate_series(1, 20000) AS i`,
        );
      const stored = async (id: number): Promise<string> => {
        const { rows } = await own.store.query<{ row: string }>(
          'SELECT row_data::text AS row FROM pgtimewarp.row_versions WHERE pk = $1',
          [`["${id}"]`],
        );
        return rows[0]!.row.replace(`"id":${id}`, '"id":0');
      };
      const run = () => poll({ sourceUrl: own.sourceUrl, storeUrl: own.storeUrl, node: own.node });
      await insert(1);
      expect((await run()).outcome).toBe('done');
      await amongHostile(own, 'source', () =>
        amongHostile(own, 'store', async () => {
          await insert(2);
          expect((await run()).outcome).toBe('done');
        }),
      );
      expect(await stored(2)).toBe(await stored(1));
    });
  });
}
