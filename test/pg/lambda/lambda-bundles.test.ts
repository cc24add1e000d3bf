/** The deployed functions: the synthesised bundles, on Node, with real databases and a stub of AWS. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import example from '../../../infra/config/example.ts';
import { apiEvent, type HttpAnswer } from '../../support/api-event.ts';
import {
  ARNS,
  deploymentEvent,
  type FunctionName,
  type LambdaDatabases,
  lambdaDatabases,
  secretArn,
} from '../../support/lambda-databases.ts';
import { reportedMetrics, watchedMetrics } from '../../support/metrics.ts';
import { type LambdaEnvironment, startLambda } from '../../support/run-lambda.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

let synthesized: Synthesized;
let databases: LambdaDatabases;

beforeAll(async () => {
  synthesized = await synthesizeWithCode({ ...example, archive: { bucket: 'history' } });
  databases = await lambdaDatabases(
    `CREATE TABLE orders (id int PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 1.10);
     CREATE TABLE notes (id int PRIMARY KEY, note text);`,
  );
}, 240_000);

afterAll(() => databases?.[Symbol.asyncDispose]());

function start(name: FunctionName, sources: Record<string, string> = {}): Promise<LambdaEnvironment> {
  return startLambda(bundleFolder(synthesized, name), databases.functionEnv(name, sources));
}

function deployment(
  type: 'Create' | 'Update' | 'Delete',
  tables: readonly string[],
  before: readonly string[] = [],
): object {
  const state = (names: readonly string[]) => ({
    nodes: [
      {
        node: databases.node,
        sourceSecretArn: ARNS.source,
        plugin: 'pgoutput',
        tables: names.map((name) => ({ name })),
      },
    ],
  });
  return deploymentEvent(databases.aws, type, state(tables), state(before));
}

describe('a deployment from creation to deletion', () => {
  test('creation makes schema, logins, node and tables, and can be repeated', async () => {
    await using migrate = await start('Migrate');
    for (const attempt of [1, 2]) {
      await migrate.invoke(deployment('Create', ['orders']), 60_000);
      expect(databases.aws.cloudFormation.at(-1), `${attempt} ${migrate.output()}`).toMatchObject({
        Status: 'SUCCESS',
        PhysicalResourceId: 'pgtimewarp',
        RequestId: expect.stringContaining('request-Create'),
        LogicalResourceId: 'Databases',
      });
    }
    const { rows } = await databases.store.query(
      'SELECT table_name, status FROM pgtimewarp.tracked_relations',
    );
    expect(rows).toEqual([{ table_name: 'orders', status: 'active' }]);
  });

  test('the poller uses the writer, the API the reader, and both pick up rotated passwords', async () => {
    await using poller = await start('Poller');
    await using api = await start('Api');
    const asOf = () =>
      api.invoke(
        apiEvent(`/v1/nodes/${databases.node}/tables/public.orders/asof?pk=1`),
      ) as Promise<HttpAnswer>;

    await databases.source.query('UPDATE orders SET total = 12345678901234567890.10');
    const first = { nodes: [{ node: databases.node, outcome: 'done', caught_up: true }] };
    expect(await poller.invoke({ node: databases.node }), poller.output()).toMatchObject(first);
    const before = await asOf();
    expect(before, api.output()).toMatchObject({ statusCode: 200 });
    expect(before.body).toContain('"total":12345678901234567890.10');

    await databases.rotate('writer', 'second-writer');
    await databases.rotate('reader', 'second-reader');
    await databases.source.query('UPDATE orders SET total = 2.50');
    expect(await poller.invoke({}), poller.output()).toMatchObject({
      nodes: [{ outcome: 'done', changes: 1 }],
    });
    expect((await asOf()).body, api.output()).toContain('"total":2.50');
    expect(databases.aws.secretReads.filter((each) => each === ARNS.reader).length).toBeGreaterThanOrEqual(2);

    const printed = poller.output() + api.output();
    for (const secret of ['first %/:? pass', 'first-reader', 'second-writer', 'second-reader']) {
      expect(printed).not.toContain(secret);
      expect(printed).not.toContain(encodeURIComponent(secret));
    }
    expect(printed).toContain('"LagInBytes"');
  });

  test('sessions are used again until they break', async () => {
    await using poller = await start('Poller');
    const pids = async (): Promise<string> => {
      const { rows } = await databases.store.query<{ pids: string }>(
        `SELECT string_agg(pid::text, ',' ORDER BY pid) AS pids FROM pg_stat_activity WHERE usename = $1`,
        [databases.logins.writer],
      );
      return rows[0]!.pids;
    };
    await poller.invoke({});
    const first = await pids();
    await poller.invoke({});
    expect(await pids()).toBe(first);
    await databases.store.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      databases.logins.writer,
    ]);
    expect(await poller.invoke({}), poller.output()).toMatchObject({ nodes: [{ outcome: 'done' }] });
    expect(await pids()).not.toBe(first);
  });

  test('an environment that has served many nodes keeps one session, of the store', async () => {
    const others = ['one', 'two', 'three', 'four'];
    await using poller = await start('Poller', Object.fromEntries(others.map((name) => [name, ARNS.source])));
    for (const name of others) await poller.invoke({ node: name }).catch(() => {});
    await poller.invoke({ node: databases.node });
    const sessions = async (): Promise<number[]> => {
      const { rows } = await databases.store.query<{ database: string; n: number }>(
        `SELECT datname AS database, count(*)::int AS n FROM pg_stat_activity
          WHERE application_name LIKE 'pgtimewarp/%' AND (usename = $1 OR application_name = ANY ($2)) GROUP BY datname`,
        [databases.logins.writer, [...others, databases.node].map((name) => `pgtimewarp/${name}`)],
      );
      return rows.map(({ n }) => n);
    };
    await expect.poll(sessions, { timeout: 5_000 }).toEqual([1]); // others are closing
  });

  test('a failing node does not stop the others, and fails the invocation', async () => {
    await using poller = await start('Poller', { broken: ARNS.source, lost: secretArn('nowhere') });
    await databases.source.query('UPDATE orders SET total = 3');
    await expect(poller.invoke({})).rejects.toThrow(
      /2 of 3 nodes failed: .*broken .*NODE_UNKNOWN.*lost .*SECRET_UNREADABLE/,
    );
    expect(poller.output()).toContain('"node":"broken"');
    const { rows } = await databases.store.query(
      'SELECT count(*)::int AS n FROM pgtimewarp.row_changes WHERE row_data::text LIKE $1',
      ['%"total":3}%'],
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  test('the poller ends before its invocation, whatever a database does', async () => {
    await using poller = await start('Poller');
    await expect(poller.invoke({}, 9_000)).rejects.toThrow(/DEADLINE: .*too little time/);
    const blocker = await databases.connect('store');
    await blocker.query('BEGIN; LOCK TABLE pgtimewarp.tracked_relations IN ACCESS EXCLUSIVE MODE');
    try {
      const started = performance.now();
      expect(await poller.invoke({}, 10_200)).toMatchObject({ nodes: [{ outcome: 'deadline' }] });
      expect(performance.now() - started).toBeLessThan(10_200);
    } finally {
      await blocker.query('ROLLBACK');
    }
    expect(await poller.invoke({}), poller.output()).toMatchObject({ nodes: [{ outcome: 'done' }] });
  });

  test('the login of the API has no right to write', async () => {
    const { rows } = await databases.store.query(
      `SELECT has_table_privilege($1, 'pgtimewarp.row_changes', 'SELECT') AS readable,
              has_any_column_privilege($1, 'pgtimewarp.row_changes', 'INSERT') AS writable`,
      [databases.logins.reader],
    );
    expect(rows).toEqual([{ readable: true, writable: false }]);
  });

  test('a login with no connection left gets an answer with Retry-After', async () => {
    const limit = (count: number) =>
      databases.store.query(`ALTER ROLE "${databases.logins.reader}" CONNECTION LIMIT ${count}`);
    await using first = await start('Api');
    await using second = await start('Api');
    const event = apiEvent(`/v1/nodes/${databases.node}/tables/public.orders/asof?pk=1`);
    await limit(1);
    try {
      expect(await first.invoke(event)).toMatchObject({ statusCode: 200 });
      expect(await second.invoke(event), second.output()).toMatchObject({
        statusCode: 503,
        headers: { 'retry-after': '5' },
      });
      expect(await first.invoke(event)).toMatchObject({ statusCode: 200 });
    } finally {
      await limit(-1);
    }
    expect(await second.invoke(event)).toMatchObject({ statusCode: 200 });
  });

  test('names that a path must encode arrive unchanged', async () => {
    await databases.source.query(
      'CREATE TABLE "Odd 50% name.x" (id int PRIMARY KEY); INSERT INTO "Odd 50% name.x" VALUES (7)',
    );
    await using migrate = await start('Migrate');
    await migrate.invoke(deployment('Update', ['orders', '"Odd 50% name.x"'], ['orders']), 60_000);
    expect(databases.aws.cloudFormation.at(-1), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    await using poller = await start('Poller');
    await poller.invoke({});
    await using api = await start('Api');
    const path = `/v1/nodes/${databases.node}/tables/${encodeURIComponent('public."Odd 50% name.x"')}/asof?pk=7`;
    const answer = (await api.invoke(apiEvent(path))) as HttpAnswer;
    expect(answer, api.output()).toMatchObject({ statusCode: 200 });
    expect(answer.body).toContain('"table":"Odd 50% name.x"');
  });

  test('the doctor sends failing checks to the topic', async () => {
    await using doctor = await start('Doctor', { broken: ARNS.source, lost: secretArn('nowhere') });
    const result = (await doctor.invoke({})) as { nodes: { node: string; status: string }[] };
    expect(
      result.nodes.find(({ node }) => node === 'broken'),
      doctor.output(),
    ).toMatchObject({ status: 'fail' });
    const message = JSON.parse(databases.aws.published.at(-1)?.get('Message') ?? '{}') as Record<
      string,
      string
    >;
    expect(message.email).toContain('FAIL [node_known] The store has no node "broken".');
    expect(JSON.parse(message.default!)).toMatchObject({
      nodes: expect.arrayContaining([
        {
          node: 'broken',
          status: 'fail',
          passed: expect.any(Number),
          checks: [expect.objectContaining({ code: 'node_known', remedy: expect.any(String) })],
        },
      ]),
    });
    expect(message.email).toContain('FAIL [doctor] Doctor itself failed (SECRET_UNREADABLE).');
    const told = databases.aws.published.length;
    await doctor.invoke({});
    expect(databases.aws.published.length).toBe(told); // nothing has changed
    const { rows } = await databases.store.query(
      `SELECT code FROM pgtimewarp.health_events WHERE node_id = 'broken' AND severity = 'fail'`,
    );
    expect(rows).toContainEqual({ code: 'node_known' });
  });

  test('the metrics of alarms and dashboard are reported, with those names and dimensions', async () => {
    await using poller = await start('Poller');
    await using doctor = await start('Doctor');
    await using archiver = await start('Archiver');
    const all = [poller, doctor, archiver];
    for (const each of all) await each.invoke({});
    const reported = new Set(
      all.flatMap((each) => reportedMetrics(each.output())).map((metric) => JSON.stringify(metric)),
    );
    const watched = watchedMetrics(synthesized, { shop: databases.node });
    expect(watched.length).toBeGreaterThan(10);
    for (const metric of watched) expect([...reported]).toContain(JSON.stringify(metric));
  });

  test('a deployment that fails gives the reason and removes the node that it made', async () => {
    await using migrate = await start('Migrate');
    const event = deployment('Create', ['nothing_there']) as { ResourceProperties: { Nodes: string } };
    event.ResourceProperties.Nodes = event.ResourceProperties.Nodes.replaceAll(
      databases.node,
      `${databases.node}_2`,
    );
    await migrate.invoke(event, 60_000);
    expect(databases.aws.cloudFormation.at(-1), migrate.output()).toMatchObject({
      Status: 'FAILED',
      PhysicalResourceId: 'pgtimewarp-nothing',
      Reason: expect.stringContaining('TABLE_UNKNOWN'),
    });
    const { rows } = await databases.source.query(
      'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()',
    );
    expect(rows).toEqual([{ slot_name: databases.slot }]);
  });

  test('deletion drops the slot, keeps the history, and can be repeated', async () => {
    await using migrate = await start('Migrate');
    for (let attempt = 0; attempt < 2; attempt++) {
      await migrate.invoke(deployment('Delete', ['orders']), 60_000);
      expect(databases.aws.cloudFormation.at(-1), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    }
    const slots = await databases.source.query(
      'SELECT FROM pg_replication_slots WHERE database = current_database()',
    );
    expect(slots.rowCount).toBe(0);
    const kept = await databases.store.query('SELECT FROM pgtimewarp.row_changes');
    expect(kept.rowCount).toBeGreaterThan(2);
  });
});

test('bundles are small', () => {
  const sizes = (['Poller', 'Api', 'Doctor', 'Migrate', 'Maintenance', 'Archiver'] as const).map((name) => {
    const bytes = bytesAtStart(join(bundleFolder(synthesized, name), 'index.mjs'));
    return [name, bytes] as const;
  });
  console.log(
    `bundle sizes: ${sizes.map(([name, bytes]) => `${name} ${(bytes / 1024).toFixed(0)} KiB`).join(', ')}`,
  );
  // a caller waits for this function: its code contains neither the poller nor the languages of zod, and loads the archive's only when a
  // question needs it. The OpenAPI document is data. The plans of restores are 60 KiB of it
  const document = JSON.stringify(JSON.parse(readFileSync('http/openapi.json', 'utf8')));
  expect(new Map(sizes).get('Api')! - Buffer.byteLength(document)).toBeLessThan(850 * 1024);
});

/** Of a module with all that it imports, without what import() loads later. */
function bytesAtStart(path: string, seen = new Set<string>()): number {
  if (seen.has(path)) return 0;
  seen.add(path);
  const imports = readFileSync(path, 'utf8').matchAll(/\b(?:from|import)\s*"(\.[^"]+\.mjs)"/g);
  const others = [...imports].map(([, to]) => bytesAtStart(join(dirname(path), to!), seen));
  return others.reduce((sum, bytes) => sum + bytes, statSync(path).size);
}
