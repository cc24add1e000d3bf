/**
 * The migrate function over the life of a deployment. Each request is sent twice. A removal leaves no slot; a request that
 * fails gives a remedy, and the earlier version continues to work.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConnectionUrl } from '../../../core/pg/connection.ts';
import { claimNode } from '../../../core/store/node/claim.ts';
import example from '../../../infra/config/example.ts';
import { secretReference } from '../../../infra/constructs/secret-reference.ts';
import { apiEvent, type HttpAnswer } from '../../support/api-event.ts';
import { callProxy } from '../../support/call-proxy.ts';
import {
  ARNS,
  type DeployedNode,
  type DeployedState,
  deploymentEvent,
  type LambdaDatabases,
  lambdaDatabases,
  secretArn,
} from '../../support/lambda-databases.ts';
import { type LambdaEnvironment, startLambda } from '../../support/run-lambda.ts';
import { serverInfo } from '../../support/server-info.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

const OTHER = secretArn('other');
const NOBODY = JSON.stringify({ url: 'postgres://nobody@127.0.0.1:1/nothing' });
const TWICE = [1, 2] as const;

let synthesized: Synthesized;
let databases: LambdaDatabases;
let migrate: LambdaEnvironment;
/** The reference to the secret of `main`, as functions get it. */
let source: string;
/** The node of the test; `other` is a node of the same source, with the other plugin if there is one. */
let main: DeployedNode;
let other: DeployedNode;

beforeAll(async () => {
  synthesized = await synthesizeWithCode(example);
  databases = await lambdaDatabases(
    `CREATE TABLE orders (id int PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 1.10);
     CREATE TABLE notes (id int PRIMARY KEY, note text);`,
  );
  databases.aws.secrets.set(OTHER, JSON.stringify({ url: databases.sourceUrl }));
  // in the form that RDS manages: only user and password
  const { host, port, user, password, database } = parseConnectionUrl(databases.sourceUrl, 'source');
  databases.aws.secrets.set(ARNS.source, JSON.stringify({ username: user, password: password ?? 'none' }));
  source = secretReference(ARNS.source, { host, port, dbname: database });
  main = node(databases.node, source, 'pgoutput', ['orders']);
  other = node(`${databases.node}_b`, OTHER, serverInfo().hasWal2json ? 'wal2json' : 'pgoutput', ['notes']);
  migrate = await startLambda(bundleFolder(synthesized, 'Migrate'), databases.functionEnv('Migrate'));
}, 240_000);

afterAll(async () => {
  await migrate?.[Symbol.asyncDispose]();
  await databases?.[Symbol.asyncDispose]();
});

function node(name: string, arn: string, plugin: string, tables: readonly string[]): DeployedNode {
  return { node: name, sourceSecretArn: arn, plugin, tables: tables.map((table) => ({ name: table })) };
}

type Answer = Readonly<Record<'Status' | 'Reason' | 'PhysicalResourceId', string>>;

/** Sends a request and returns the answer to CloudFormation. */
async function request(
  type: 'Create' | 'Update' | 'Delete',
  wanted: DeployedState,
  before?: DeployedState,
  options: { remainingMs?: number; lambda?: LambdaEnvironment } = {},
): Promise<Answer> {
  const { cloudFormation } = databases.aws;
  const known = cloudFormation.length;
  const { lambda = migrate, remainingMs = 60_000 } = options;
  await lambda.invoke(deploymentEvent(databases.aws, type, wanted, before), remainingMs);
  expect(cloudFormation.length, lambda.output()).toBe(known + 1);
  return cloudFormation.at(-1) as unknown as Answer;
}

async function slots(): Promise<string[]> {
  const { rows } = await databases.source.query<{ slot_name: string }>(
    'SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1',
  );
  return rows.map((row) => row.slot_name);
}

async function publications(): Promise<string[]> {
  const { rows } = await databases.source.query<{ pubname: string }>('SELECT pubname FROM pg_publication');
  return rows.map((row) => row.pubname);
}

/** Checks that the deployed version works: a run reads a change, and a question about it is answered. */
async function expectWorking(total: string): Promise<void> {
  await using poller = await startLambda(
    bundleFolder(synthesized, 'Poller'),
    databases.functionEnv('Poller', { [databases.node]: source }),
  );
  await using api = await startLambda(bundleFolder(synthesized, 'Api'), databases.functionEnv('Api'));
  await databases.source.query('UPDATE orders SET total = $1::numeric', [total]);
  expect(await poller.invoke({ node: main.node }), poller.output()).toMatchObject({
    nodes: [{ outcome: 'done', changes: 1 }],
  });
  const path = `/v1/nodes/${main.node}/tables/public.orders/asof?pk=1`;
  const answer = (await api.invoke(apiEvent(path))) as HttpAnswer;
  expect(answer, api.output()).toMatchObject({ statusCode: 200 });
  expect(answer.body).toContain(`"total":${total}`);
}

/** The bundle of a version with one more migration. */
async function nextVersion(migration: string): Promise<LambdaEnvironment> {
  const folder = mkdtempSync(join(tmpdir(), 'pgtimewarp-next-'));
  cpSync(bundleFolder(synthesized, 'Migrate'), folder, { recursive: true });
  writeFileSync(join(folder, 'migrations', '9001.do.next.sql'), migration);
  const lambda = await startLambda(folder, databases.functionEnv('Migrate'));
  rmSync(folder, { recursive: true, force: true });
  return lambda;
}

describe('deployments that change or fail', () => {
  test('creation and an update that adds a node', async () => {
    for (const _ of TWICE) {
      expect(await request('Create', { nodes: [main] }), migrate.output()).toMatchObject({
        Status: 'SUCCESS',
      });
    }
    for (const _ of TWICE) {
      const answer = await request('Update', { nodes: [main, other] }, { nodes: [main] });
      expect(answer, migrate.output()).toMatchObject({
        Status: 'SUCCESS',
        PhysicalResourceId: 'pgtimewarp',
      });
    }
    expect(await slots()).toEqual([databases.slot, `${databases.slot}_b`]);
    await expectWorking('2.20');
  });

  test('an update that fails, and its roll-back', async () => {
    const wrong = { nodes: [main, node(`${databases.node}_c`, source, 'pgoutput', ['nothing_there'])] };
    const right = { nodes: [main, other] };
    for (const _ of TWICE) {
      expect(await request('Update', wrong, right), migrate.output()).toMatchObject({
        Status: 'FAILED',
        Reason: expect.stringContaining('TABLE_UNKNOWN'),
        PhysicalResourceId: 'pgtimewarp',
      });
    }
    for (const _ of TWICE) expect(await request('Update', right, wrong)).toMatchObject({ Status: 'SUCCESS' });
    expect(await slots()).toEqual([databases.slot, `${databases.slot}_b`]);
    await expectWorking('3.30');
  });

  test('a migration that fails keeps schema and functions of the earlier version', async () => {
    const state = { nodes: [main, other] };
    await using next = await nextVersion('CREATE TABLE pgtimewarp.half (id int); SELECT 1 / 0;');
    for (const _ of TWICE) {
      expect(await request('Update', state, state, { lambda: next })).toMatchObject({
        Status: 'FAILED',
        Reason: expect.stringContaining('division by zero'),
      });
    }
    for (const _ of TWICE) expect(await request('Update', state, state)).toMatchObject({ Status: 'SUCCESS' });
    const { rows } = await databases.store.query(`SELECT to_regclass('pgtimewarp.half') AS half`);
    expect(rows).toEqual([{ half: null }]);
    await expectWorking('4.40');
  });

  test('an error in the configuration of a new version is found before the schema changes', async () => {
    await using next = await nextVersion('CREATE TABLE pgtimewarp.early (id int);');
    const wrong = { nodes: [main, node(`${databases.node}_c`, source, 'pgoutput', ['nothing_there'])] };
    expect(await request('Update', wrong, { nodes: [main] }, { lambda: next })).toMatchObject({
      Reason: expect.stringContaining('TABLE_UNKNOWN'),
    });
    const { rows } = await databases.store.query(`SELECT to_regclass('pgtimewarp.early') AS early`);
    expect(rows).toEqual([{ early: null }]);
  });

  test('the roll-back of a version whose migration succeeded and whose node failed', async () => {
    const state = { nodes: [main, other] };
    const wrong = { nodes: [...state.nodes, node(`${databases.node}_c`, source, 'pgoutput', [])] };
    const taken = `pgtimewarp_${databases.node}_c`;
    await databases.source.query(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, [taken]);
    await using next = await nextVersion('CREATE TABLE pgtimewarp.next (id int);');
    for (const _ of TWICE) {
      expect(await request('Update', wrong, state, { lambda: next })).toMatchObject({
        Status: 'FAILED',
        Reason: expect.stringContaining('SLOT_CONFLICT'),
      });
    }
    for (const _ of TWICE) {
      expect(await request('Update', state, wrong), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    }
    // a slot that would be left behind is not acceptable
    expect(await request('Update', { nodes: [main] }, state)).toMatchObject({
      Status: 'FAILED',
      Reason: expect.stringContaining('SCHEMA_TOO_NEW'),
    });
    await expectWorking('5.50');
    await databases.source.query('SELECT pg_drop_replication_slot($1)', [taken]);
    await databases.store.query(
      'DELETE FROM pgtimewarp.schema_migrations WHERE version = 9001; DROP TABLE pgtimewarp.next',
    );
  });
});

describe('a table that is already tracked', () => {
  const withTable = (table: DeployedNode['tables'][number]): DeployedState => ({
    nodes: [{ ...main, tables: [table] }, other],
  });
  const tracked = async (): Promise<unknown> => {
    const { rows } = await databases.store.query(
      `SELECT retention::text, excluded_columns AS excluded, status, relation_id FROM pgtimewarp.tracked_relations
        WHERE node_id = $1 AND table_name = 'orders'`,
      [main.node],
    );
    return rows;
  };

  test('another spelling of its name is the same table', async () => {
    const before = await tracked();
    for (const _ of TWICE)
      expect(
        await request('Update', withTable({ name: 'public.Orders' }), withTable({ name: 'orders' })),
        migrate.output(),
      ).toMatchObject({ Status: 'SUCCESS' });
    expect(await tracked()).toEqual(before);
  });

  test('a retention that is added takes effect', async () => {
    const [plain, kept] = [withTable({ name: 'orders' }), withTable({ name: 'orders', retention: '30d' })];
    for (const _ of TWICE)
      expect(await request('Update', kept, plain), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    expect(await tracked()).toMatchObject([{ retention: '30 days', status: 'active' }]);
  });

  test('a removed table is untracked, and a table whose retention is removed has that of the node', async () => {
    const whole = (name: string, retention: string | null) => ({
      ...{ name, exclude: [], retention, baseline: true, noNan: false, shared: true },
    });
    const [one, both] = [whole('orders', null), [whole('orders', '30d'), whole('public.notes', null)]];
    const state = (tables: DeployedNode['tables']): DeployedState => ({
      nodes: [{ ...main, tables }, other],
    });
    for (const _ of TWICE)
      expect(await request('Update', state(both), state([one]))).toMatchObject({ Status: 'SUCCESS' });
    expect(await tracked()).toMatchObject([{ retention: '30 days' }]);
    for (const _ of TWICE)
      expect(await request('Update', state([one]), state(both))).toMatchObject({ Status: 'SUCCESS' });
    expect(await tracked()).toMatchObject([{ retention: null }]);
    const { rows } = await databases.store.query(
      `SELECT status FROM pgtimewarp.tracked_relations WHERE node_id = $1 AND table_name = 'notes'`,
      [main.node],
    );
    expect(rows).toEqual([{ status: 'untracked' }]);
  });

  test('tables move from one node to another, and a table that stays needs shared', async () => {
    const [first, second] = [main.tables, other.tables];
    const state = (tables: DeployedNode['tables'], others: DeployedNode['tables']): DeployedState => ({
      nodes: [
        { ...main, tables },
        { ...other, tables: others },
      ],
    });
    const [apart, swapped, both] = [state(first, second), state(second, first), state(first, first)];
    for (const [wanted, before] of [
      [swapped, apart],
      [apart, swapped],
    ] as const) {
      for (const _ of TWICE)
        expect(await request('Update', wanted, before), migrate.output()).toMatchObject({
          Status: 'SUCCESS',
        });
      const { rows } = await databases.store.query<{ node_id: string; table_name: string }>(
        `SELECT node_id, table_name FROM pgtimewarp.tracked_relations
          WHERE node_id = ANY ($1) AND status <> 'untracked' ORDER BY node_id`,
        [[main.node, other.node]],
      );
      expect(rows.map(({ node_id, table_name }) => ({ node: node_id, table: table_name }))).toEqual(
        wanted.nodes.map(({ node, tables }) => ({ node, table: tables[0]!.name })),
      );
    }
    const { Status, Reason } = await request('Update', both, apart);
    expect([Status, Reason]).toEqual(['FAILED', expect.stringContaining('TABLE_OF_ANOTHER_NODE')]);
    expect(await request('Update', apart, both)).toMatchObject({ Status: 'SUCCESS' });
  });

  test.each([
    [
      'exclude',
      { exclude: ['total'] },
      /BAD_FLAGS: exclude of public\.orders is none, and cannot become total.*stays stored/,
    ],
    ['noNan', { noNan: true }, /BAD_FLAGS: no-nan of public\.orders is false, and cannot become true/],
  ])(
    '%s cannot be added: the update fails, names table and field, and changes nothing',
    async (_, more, says) => {
      const [before, plain] = [await tracked(), withTable({ name: 'orders' })];
      const wrong = withTable({ name: 'orders', ...more });
      for (const _ of TWICE) {
        const { Status, Reason } = await request('Update', wrong, plain);
        expect(Status).toBe('FAILED');
        expect(Reason).toMatch(says);
        expect(await request('Update', plain, wrong), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
      }
      expect(await tracked()).toEqual(before);
    },
  );

  test('earlier properties that cannot be read stop neither the roll-back nor the removal', async () => {
    const right = withTable({ name: 'orders' });
    const odd: DeployedState[] = [
      withTable({ name: 'a b' }),
      withTable({ name: 'public.orders.x' }),
      withTable({ name: 'orders', keyOfLaterVersion: { a: 1 } }),
      { nodes: [{ ...main, node: 'No Name' }, { ...main, isLater: true } as unknown as DeployedNode, other] },
      { nodes: 'none' as unknown as DeployedNode[], forgetSources: 7 as unknown as string[] },
    ];
    for (const before of odd)
      expect(await request('Update', right, before), JSON.stringify(before)).toMatchObject({
        Status: 'SUCCESS',
      });
    expect(await slots()).toEqual([databases.slot, `${databases.slot}_b`]);
    expect(await tracked()).toMatchObject([{ status: 'active' }]);
    const nobody = { nodes: [{ ...main, node: `${main.node}_x`, tables: [{ name: 'a b' }] }] };
    expect(await request('Delete', nobody)).toMatchObject({ Status: 'SUCCESS' });
  });
});

describe('removal', () => {
  test('a node removed from the configuration: its slot is dropped after the run under way has ended', async () => {
    const run = await databases.connect('store');
    await claimNode(run, other.node, 60);
    const end = setTimeout(() => void run.query('SELECT pg_advisory_unlock_all()'), 1500);
    const answer = await request('Update', { nodes: [main] }, { nodes: [main, other] });
    clearTimeout(end);
    expect(answer, migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    expect(await slots()).toEqual([databases.slot]);
    expect(await request('Update', { nodes: [main] }, { nodes: [main, other] })).toMatchObject({
      Status: 'SUCCESS',
    });
    await request('Update', { nodes: [main, other] }, { nodes: [main] });
  });

  test('if its source does not answer, the update fails with the SQL to run, and can be rolled back', async () => {
    const [with_, without] = [{ nodes: [main, other] }, { nodes: [other] }];
    await withSource(ARNS.source, NOBODY, async () => {
      for (const _ of TWICE) {
        const { Status, Reason } = await request('Update', without, with_);
        expect(Status, migrate.output()).toBe('FAILED');
        expect(Reason).toContain('SOURCE_UNREACHABLE');
        expect(Reason).toContain(`SELECT pg_drop_replication_slot('${databases.slot}');`);
        expect(Reason).toContain('forgetSources');
      }
      for (const _ of TWICE)
        expect(await request('Update', with_, without)).toMatchObject({ Status: 'SUCCESS' });
    });
    expect(await slots()).toContain(databases.slot);
    await expectWorking('6.60');
  });

  test('deleting the stack drops every slot that it can, and prints the SQL for the others', async () => {
    const state = { nodes: [main, other] };
    let reason = '';
    await withSource(ARNS.source, NOBODY, async () => {
      for (const _ of TWICE) {
        const answer = await request('Delete', state);
        expect(answer).toMatchObject({ Status: 'FAILED', PhysicalResourceId: 'pgtimewarp' });
        reason = answer.Reason;
      }
    });
    expect(await slots()).toEqual([databases.slot]);
    expect(reason).toContain('--stack-name pgtimewarp-app --retain-resources Databases');
    const sql = /run: (.*;) Then repeat it/.exec(reason)?.[1];
    await databases.source.query(sql ?? reason);
    expect(await slots()).toEqual([]);
    expect(await publications()).toEqual([]);
    for (const _ of TWICE)
      expect(await request('Delete', state), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    const { rowCount } = await databases.store.query('SELECT FROM pgtimewarp.row_changes');
    expect(rowCount).toBeGreaterThan(3);
  });

  test('a source that accepts the connection and then sends nothing does not delay the others', async () => {
    await request('Create', { nodes: [main] });
    await using silent = await silentServer();
    await withSource(ARNS.source, JSON.stringify({ url: silent.url }), async () => {
      const started = performance.now();
      const { Status, Reason } = await request('Delete', { nodes: [main] }, undefined, {
        remainingMs: 23_000,
      });
      expect(performance.now() - started).toBeLessThan(8_000);
      expect(Status).toBe('FAILED');
      expect(Reason).toContain(`SELECT pg_drop_replication_slot('${databases.slot}');`);
    });
  });

  test('a removal whose time is up does not remove the node that the next request keeps', async () => {
    await request('Create', { nodes: [main] });
    let goOn = (): void => {};
    const waits = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await using slow = await callProxy(databases.sourceUrl, { at: 1, fault: () => waits });
    await withSource(ARNS.source, JSON.stringify({ url: slow.url }), async () => {
      const late = await request('Update', { nodes: [] }, { nodes: [main] }, { remainingMs: 21_000 });
      expect(late).toMatchObject({ Status: 'FAILED', Reason: expect.stringContaining('DEADLINE') });
      const back = await request('Update', { nodes: [main] }, { nodes: [] });
      expect(back, migrate.output()).toMatchObject({ Status: 'SUCCESS' });
      goOn();
      await sleep(3_000);
    });
    expect(await slots()).toContain(databases.slot);
    const { rows } = await databases.store.query('SELECT status FROM pgtimewarp.nodes WHERE node_id = $1', [
      main.node,
    ]);
    expect(rows).toEqual([{ status: 'active' }]);
  });

  test('a source in forgetSources is removed, and the store records what it may still have', async () => {
    await request('Create', { nodes: [main] });
    await withSource(ARNS.source, NOBODY, async () => {
      for (const _ of TWICE) {
        const answer = await request('Update', { nodes: [], forgetSources: [main.node] }, { nodes: [main] });
        expect(answer, migrate.output()).toMatchObject({ Status: 'SUCCESS' });
      }
    });
    const { rows } = await databases.store.query(
      `SELECT message FROM pgtimewarp.health_events WHERE code = 'SOURCE_FORGOTTEN'`,
    );
    expect(rows).toEqual([
      { message: expect.stringContaining(`pg_drop_replication_slot('${databases.slot}')`) },
    ]);
  });

  test('the slot is dropped even if the schema has another version', async () => {
    // the source is back, with the slot that was left there
    expect(await slots()).toEqual([databases.slot]);
    expect(await request('Create', { nodes: [main] }), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    await using next = await nextVersion('SELECT 1;');
    const answer = await request('Delete', { nodes: [main] }, undefined, { lambda: next });
    expect(answer).toMatchObject({ Status: 'FAILED', Reason: expect.stringContaining('SCHEMA_OUTDATED') });
    expect(await request('Delete', { nodes: [main] }), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    expect(await slots()).toEqual([]);
  });
});

/** Changes the address of the source in its secret for a while; sessions that are kept must not hide that. */
async function withSource(arn: string, secret: string, body: () => Promise<void>): Promise<void> {
  const before = databases.aws.secrets.get(arn)!;
  const restart = async (): Promise<void> => {
    await migrate[Symbol.asyncDispose]();
    migrate = await startLambda(bundleFolder(synthesized, 'Migrate'), databases.functionEnv('Migrate'));
  };
  databases.aws.secrets.set(arn, secret);
  await restart();
  try {
    await body();
  } finally {
    databases.aws.secrets.set(arn, before);
    await restart();
  }
}

async function silentServer(): Promise<AsyncDisposable & { readonly url: string }> {
  const sockets = new Set<{ destroy(): unknown }>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `postgres://nobody@127.0.0.1:${(server.address() as AddressInfo).port}/nothing`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
