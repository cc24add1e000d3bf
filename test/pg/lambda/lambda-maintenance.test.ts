/**
 * The actions of an operator where databases are private: the synthesised maintenance function, with the writer's login in the
 * store and the role of the source, beside the poller that the schedule starts.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { releaseClaim } from '../../../core/store/node/claim.ts';
import { takeIdleNode } from '../../../core/store/node/take-node.ts';
import example from '../../../infra/config/example.ts';
import { apiEvent, type HttpAnswer } from '../../support/api-event.ts';
import {
  ARNS,
  deploymentEvent,
  type FunctionName,
  type LambdaDatabases,
  lambdaDatabases,
} from '../../support/lambda-databases.ts';
import { type LambdaEnvironment, startLambda } from '../../support/run-lambda.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

let synthesized: Synthesized;
let databases: LambdaDatabases;
let environments: Record<'Migrate' | 'Poller' | 'Maintenance' | 'Api', LambdaEnvironment>;

beforeAll(async () => {
  synthesized = await synthesizeWithCode(example);
}, 240_000);

beforeEach(async () => {
  databases = await lambdaDatabases(
    `CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 10), (2, 20);
     CREATE TABLE notes (id int PRIMARY KEY)`,
  );
  const start = (name: FunctionName) =>
    startLambda(bundleFolder(synthesized, name), databases.functionEnv(name));
  const names = ['Migrate', 'Poller', 'Maintenance', 'Api'] as const;
  const started = await Promise.all(names.map(start));
  environments = Object.fromEntries(names.map((name, index) => [name, started[index]!])) as never;
  const node = { node: databases.node, sourceSecretArn: ARNS.source, plugin: 'pgoutput' };
  const state = { nodes: [{ ...node, tables: [{ name: 'orders' }, { name: 'notes' }] }] };
  await environments.Migrate.invoke(deploymentEvent(databases.aws, 'Create', state), 60_000);
  expect(databases.aws.cloudFormation.at(-1)).toMatchObject({ Status: 'SUCCESS' });
  await poll();
}, 90_000);

afterEach(async () => {
  for (const each of Object.values(environments ?? {})) await each[Symbol.asyncDispose]();
  await databases?.[Symbol.asyncDispose]();
});

/** An event for the node of the test. */
const maintain = (event: object, remainingMs = 60_000): Promise<unknown> =>
  environments.Maintenance.invoke({ node: databases.node, ...event }, remainingMs);
const poll = (): Promise<unknown> => environments.Poller.invoke({ node: databases.node });

async function ask(table: string, pk: number): Promise<Record<string, unknown>> {
  const path = `/v1/nodes/${databases.node}/tables/public.${table}/asof?pk=${pk}`;
  const { body } = (await environments.Api.invoke(apiEvent(path))) as HttpAnswer;
  return JSON.parse(body) as Record<string, unknown>;
}

async function slots(): Promise<number> {
  const { rows } = await databases.source.query(
    'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()',
  );
  return rows.length;
}

describe('rebaseline', () => {
  test('reads tables again, if an operator knows that history is wrong', async () => {
    // rows that runs do not receive: they were written while the table was in no publication
    const { rows } = await databases.source.query<{ name: string }>(
      'SELECT pubname AS name FROM pg_publication',
    );
    await databases.source.query(`ALTER PUBLICATION "${rows[0]!.name}" DROP TABLE orders`);
    await databases.source.query(
      'UPDATE orders SET total = 99 WHERE id = 1; DELETE FROM orders WHERE id = 2',
    );
    const tables = ['orders', 'public.notes'];
    expect(await maintain({ action: 'rebaseline', tables }), environments.Maintenance.output()).toEqual({
      action: 'rebaseline',
      node: databases.node,
      tables: [
        { table: 'public.orders', done: true, rows: 1, differences: 2 },
        { table: 'public.notes', done: true, rows: 0, differences: 0 },
      ],
    });
    expect(await ask('orders', 1)).toMatchObject({ status: 'found', row: { total: 99 }, final: false });
    expect(await ask('orders', 2)).toMatchObject({ status: 'absent', reason: 'deleted' });
  });

  test('of a whole node ends the gap after a loss', async () => {
    const { rows } = await databases.source.query<{ name: string }>(
      'SELECT slot_name AS name FROM pg_replication_slots WHERE database = current_database()',
    );
    await databases.source.query('SELECT pg_drop_replication_slot($1)', [rows[0]!.name]);
    await databases.source.query('INSERT INTO orders VALUES (3, 30)');
    await expect(poll()).rejects.toThrow(/gap/);
    await expect(maintain({ action: 'rebaseline', wholeNode: true })).rejects.toThrow(
      /^BAD_FLAGS: .*say "yes": true/,
    );
    expect(await slots()).toBe(0);
    expect(await maintain({ action: 'rebaseline', wholeNode: true, yes: true })).toMatchObject({
      node: databases.node,
      done: true,
      same_positions: true,
      tables: expect.arrayContaining(['public.orders', 'public.notes']),
      ended: [],
    });
    expect(await poll()).toMatchObject({ nodes: [{ outcome: 'done', caught_up: true }] });
    expect(await ask('orders', 3)).toMatchObject({ status: 'found', row: { total: 30 } });
  });

  test('that runs out of time is continued by the scheduled runs', async () => {
    const blocker = await databases.connect('source');
    await blocker.query('BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
    try {
      expect(await maintain({ action: 'rebaseline', tables: ['notes'] }, 30_500)).toMatchObject({
        tables: [{ table: 'public.notes', done: expect.any(Boolean) }],
      });
    } finally {
      await blocker.query('ROLLBACK');
    }
    for (let run = 0; run < 3; run++) await poll();
    const { rows } = await databases.store.query(
      `SELECT status, repair IS NULL AS done FROM pgtimewarp.tracked_relations WHERE table_name = 'notes'`,
    );
    expect(rows).toEqual([{ status: 'active', done: true }]);
    expect(await ask('notes', 1)).toMatchObject({ status: 'absent' });
  });
});

describe('a transaction that cannot be applied', () => {
  test('is skipped when its position is named, and its tables are read again', async () => {
    const { rows } = await databases.store.query<{ id: number }>(
      `SELECT relation_id AS id FROM pgtimewarp.tracked_relations WHERE table_name = 'orders'`,
    );
    const [partition] = [`pgtimewarp.row_changes_r${rows[0]!.id}`];
    await databases.store.query(`ALTER TABLE ${partition} ADD CONSTRAINT poison CHECK (pk <> '["13"]')`);
    await databases.source.query('INSERT INTO orders VALUES (13, 1)');
    let said = '';
    for (let run = 0; run < 8 && !said.includes('blocked'); run++) {
      said = await poll().then(String, (error: Error) => error.message);
    }
    expect(said).toContain('blocked');
    await expect(maintain({ action: 'skip', lsn: '0/1' })).rejects.toThrow(
      /^BAD_FLAGS: .* is not blocked at 0\/1, but at /,
    );
    const { rows: failures } = await databases.store.query<{ lsn: string }>(
      `SELECT failure ->> 'lsn' AS lsn FROM pgtimewarp.wal_checkpoints WHERE node_id = $1`,
      [databases.node],
    );
    expect(await maintain({ action: 'skip', lsn: failures[0]!.lsn })).toEqual({
      action: 'skip',
      node: databases.node,
      lsn: failures[0]!.lsn,
      tables: ['public.orders'],
    });
    await databases.store.query(`ALTER TABLE ${partition} DROP CONSTRAINT poison`);
    expect(await maintain({ action: 'rebaseline', tables: ['orders'] })).toMatchObject({
      tables: [{ done: true }],
    });
    expect(await ask('orders', 13)).toMatchObject({ status: 'found' });
  });
});

describe('the slot', () => {
  test('is dropped on request only, and the gap is recorded', async () => {
    await expect(maintain({ action: 'release-slot' })).rejects.toThrow(/^BAD_FLAGS: .*say "yes": true/);
    expect(await slots()).toBe(1);
    expect(await maintain({ action: 'release-slot', yes: true })).toMatchObject({
      dropped: true,
      kept_bytes: expect.any(Number),
    });
    expect(await slots()).toBe(0);
    await expect(poll()).rejects.toThrow(/gap/);
    expect(await maintain({ action: 'release-slot', yes: true })).toMatchObject({ dropped: false });
  });

  test('has a budget, which is set without the source', async () => {
    databases.aws.secrets.set(ARNS.source, JSON.stringify({ url: 'postgres://nobody@127.0.0.1:1/none' }));
    const event = { action: 'slot-budget', budget: '20GB', automatic: true };
    expect(await maintain(event), environments.Maintenance.output()).toEqual({
      action: 'slot-budget',
      node: databases.node,
      slot_budget_bytes: 20 * 1024 ** 3,
      automatic: true,
    });
    expect(await maintain({ action: 'slot-budget', automatic: false })).toMatchObject({
      slot_budget_bytes: 20 * 1024 ** 3,
      automatic: false,
    });
  });
});

test('maintenance waits for a run that is under way', async () => {
  const run = await databases.connect('store');
  const { claim } = await takeIdleNode(run, databases.node, 60);
  const asked = maintain({ action: 'release-slot', yes: true });
  asked.catch(() => {}); // it is checked below
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect(await slots()).toBe(1);
  await releaseClaim(run, claim);
  expect(await asked).toMatchObject({ dropped: true });
});

describe('wrong events are refused, with the correct form', () => {
  const EVENTS: readonly (readonly [event: unknown, says: RegExp])[] = [
    [{}, /^BAD_FLAGS: The event cannot be used: action: .* Write one of \{"action": "rebaseline"/],
    [null, /^BAD_FLAGS: /],
    ['rebaseline', /^BAD_FLAGS: /],
    [{ action: 'drop-everything' }, /^BAD_FLAGS: .*action: /],
    [{ action: 'rebaseline' }, /^BAD_FLAGS: .*name either "tables", or "wholeNode": true/],
    [{ action: 'rebaseline', tables: [] }, /^BAD_FLAGS: .*tables: /],
    [{ action: 'rebaseline', tables: ['a'], wholeNode: true, yes: true }, /^BAD_FLAGS: .*name either/],
    [{ action: 'rebaseline', tables: ['a b'] }, /^BAD_FLAGS: .*tables\.0: /],
    [{ action: 'rebaseline', table: 'orders' }, /^BAD_FLAGS: .*table/],
    [{ action: 'rebaseline', tables: ['nothing_there'] }, /^TABLE_NOT_TRACKED: public\.nothing_there/],
    [{ action: 'skip' }, /^BAD_FLAGS: .*lsn: /],
    [{ action: 'skip', lsn: '16B3748' }, /^BAD_FLAGS: .*lsn: must be an LSN/],
    [{ action: 'skip', lsn: '0/16B3748' }, /^BAD_FLAGS: .*is not blocked\. .*doctor/],
    [{ action: 'release-slot', yes: 'yes' }, /^BAD_FLAGS: .*yes: /],
    [{ action: 'slot-budget' }, /^BAD_FLAGS: .*name "budget", "automatic" or both/],
    [{ action: 'slot-budget', budget: '20 GB' }, /^BAD_FLAGS: .*budget: must be a number with kB/],
    [{ action: 'release-slot', yes: true, node: 'other' }, /^NODE_UNKNOWN: .*"other"\. It has: /],
    [{ action: 'release-slot', yes: true, node: 'Robert"; --' }, /^BAD_FLAGS: .*node: /],
  ];

  test('each event on its own, and no database changes', async () => {
    for (const [event, says] of EVENTS) {
      const sent = typeof event === 'object' && event !== null ? { node: databases.node, ...event } : event;
      await expect(environments.Maintenance.invoke(sent, 60_000), JSON.stringify(event)).rejects.toThrow(
        says,
      );
    }
    expect(await slots()).toBe(1);
    expect(environments.Maintenance.output()).not.toContain('first %');
  });
});
