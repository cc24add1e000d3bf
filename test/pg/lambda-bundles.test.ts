/** The functions as they are deployed: the synthesised bundles, on Node, against real databases and a stub of AWS. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConnectionUrl } from '../../core/pg/connection.ts';
import example from '../../infra/config/example.ts';
import { apiEvent, type HttpAnswer } from '../support/api-event.ts';
import { type AwsStub, startAwsStub } from '../support/aws-stub.ts';
import { type LambdaEnvironment, startLambda } from '../support/run-lambda.ts';
import { serverInfo } from '../support/server-info.ts';
import { bundleFolder, type Synthesized, synthesize } from '../support/synthesize.ts';
import { connectForTest } from '../support/test-client.ts';
import { type TestDatabases, testDatabases } from '../support/test-databases.ts';

const arn = (name: string): string =>
  `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}-AbCdEf`;
const ARNS = { owner: arn('owner'), writer: arn('writer'), reader: arn('reader'), source: arn('source') };

let aws: AwsStub;
let synthesized: Synthesized;
let databases: TestDatabases;
let logins: { writer: string; reader: string };

beforeAll(async () => {
  synthesized = synthesize(example, { bundle: true });
  aws = await startAwsStub();
  databases = await testDatabases({
    tables: `CREATE TABLE orders (id int PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 1.10);
             CREATE TABLE notes (id int PRIMARY KEY, note text);`,
    store: 'empty',
  });
  logins = { writer: `w_${databases.node}`, reader: `r_${databases.node}` };
  aws.secrets.set(ARNS.owner, rdsSecret(databases.storeUrl));
  aws.secrets.set(ARNS.source, JSON.stringify({ url: databases.sourceUrl }));
  aws.secrets.set(ARNS.writer, rdsSecret(databases.storeUrl, logins.writer, 'first %/:? pass'));
  aws.secrets.set(ARNS.reader, rdsSecret(databases.storeUrl, logins.reader, 'first-reader'));
}, 240_000);

afterAll(async () => {
  await databases?.[Symbol.asyncDispose]();
  const admin = await connectForTest(serverInfo().adminUrl);
  for (const name of Object.values(logins ?? {})) await admin.query(`DROP ROLE IF EXISTS "${name}"`);
  await admin.end();
  await aws?.[Symbol.asyncDispose]();
});

/** As Secrets Manager keeps it for RDS. */
function rdsSecret(url: string, username?: string, password?: string): string {
  const { host, port, user, password: own, database } = parseConnectionUrl(url, 'store');
  return JSON.stringify({
    engine: 'postgres',
    host,
    port,
    dbname: database,
    username: username ?? user,
    password: password ?? own,
  });
}

function start(
  name: 'Poller' | 'Api' | 'Doctor' | 'Migrate',
  sources: Record<string, string> = {},
): Promise<LambdaEnvironment> {
  const store = { Poller: ARNS.writer, Doctor: ARNS.writer, Api: ARNS.reader, Migrate: ARNS.owner }[name];
  return startLambda(bundleFolder(synthesized, name), {
    ...aws.env,
    PGTIMEWARP_STORE_SECRET_ARN: store,
    PGTIMEWARP_WRITER_SECRET_ARN: ARNS.writer,
    PGTIMEWARP_READER_SECRET_ARN: ARNS.reader,
    PGTIMEWARP_SOURCE_SECRET_ARNS: JSON.stringify({ [databases.node]: ARNS.source, ...sources }),
    PGTIMEWARP_TOPIC_ARN: 'arn:aws:sns:eu-central-1:123456789012:alerts',
  });
}

/** AWS CloudFormation User Guide, "Custom resource request objects". */
function deployment(
  type: 'Create' | 'Update' | 'Delete',
  tables: readonly string[],
  before: readonly string[] = [],
): object {
  const nodes = (names: readonly string[]): object => ({
    ServiceToken: 'arn:aws:lambda:eu-central-1:123456789012:function:migrate',
    Nodes: JSON.stringify([
      {
        node: databases.node,
        sourceSecretArn: ARNS.source,
        plugin: 'pgoutput',
        tables: names.map((name) => ({ name })),
      },
    ]),
  });
  return {
    RequestType: type,
    ResponseURL: aws.responseUrl,
    StackId: 'arn:aws:cloudformation:eu-central-1:123456789012:stack/pgtimewarp-app/1',
    RequestId: `request-${type}`,
    ResourceType: 'AWS::CloudFormation::CustomResource',
    LogicalResourceId: 'Databases',
    ...(type === 'Create' ? {} : { PhysicalResourceId: 'pgtimewarp' }),
    ResourceProperties: nodes(tables),
    ...(type === 'Update' ? { OldResourceProperties: nodes(before) } : {}),
  };
}

async function rotate(login: string, secretArn: string, password: string): Promise<void> {
  await databases.store.query(`ALTER ROLE "${login}" PASSWORD '${password}'`);
  await databases.store.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
    login,
  ]);
  aws.secrets.set(secretArn, rdsSecret(databases.storeUrl, login, password));
}

describe('the life of a deployment', () => {
  test('creation makes schema, logins, node and tables, and can be repeated', async () => {
    await using migrate = await start('Migrate');
    for (const attempt of [1, 2]) {
      await migrate.invoke(deployment('Create', ['orders']), 60_000);
      expect(aws.cloudFormation.at(-1), `${attempt} ${migrate.output()}`).toMatchObject({
        Status: 'SUCCESS',
        PhysicalResourceId: 'pgtimewarp',
        RequestId: 'request-Create',
        LogicalResourceId: 'Databases',
      });
    }
    const { rows } = await databases.store.query(
      'SELECT table_name, status FROM pgtimewarp.tracked_relations',
    );
    expect(rows).toEqual([{ table_name: 'orders', status: 'active' }]);
  });

  test('the poller reads as writer, the API answers as reader, and rotated passwords are picked up', async () => {
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

    await rotate(logins.writer, ARNS.writer, 'second-writer');
    await rotate(logins.reader, ARNS.reader, 'second-reader');
    await databases.source.query('UPDATE orders SET total = 2.50');
    expect(await poller.invoke({}), poller.output()).toMatchObject({
      nodes: [{ outcome: 'done', changes: 1 }],
    });
    expect((await asOf()).body, api.output()).toContain('"total":2.50');
    expect(aws.secretReads.filter((each) => each === ARNS.reader).length).toBeGreaterThanOrEqual(2);

    const printed = poller.output() + api.output();
    for (const secret of ['first %/:? pass', 'first-reader', 'second-writer', 'second-reader']) {
      expect(printed).not.toContain(secret);
      expect(printed).not.toContain(encodeURIComponent(secret));
    }
    expect(printed).toContain('"LagInBytes"');
  });

  test('sessions are used again, until they are dead', async () => {
    await using poller = await start('Poller');
    const pids = async (): Promise<string> => {
      const { rows } = await databases.store.query<{ pids: string }>(
        `SELECT string_agg(pid::text, ',' ORDER BY pid) AS pids FROM pg_stat_activity WHERE usename = $1`,
        [logins.writer],
      );
      return rows[0]!.pids;
    };
    await poller.invoke({});
    const first = await pids();
    await poller.invoke({});
    expect(await pids()).toBe(first);
    await databases.store.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
      logins.writer,
    ]);
    expect(await poller.invoke({}), poller.output()).toMatchObject({ nodes: [{ outcome: 'done' }] });
    expect(await pids()).not.toBe(first);
  });

  test('a failing node stops no other, and fails the invocation', async () => {
    await using poller = await start('Poller', { broken: ARNS.source, lost: arn('nowhere') });
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

  test('the login of the API has no right to write', async () => {
    const { rows } = await databases.store.query(
      `SELECT has_table_privilege($1, 'pgtimewarp.row_changes', 'SELECT') AS readable,
              has_any_column_privilege($1, 'pgtimewarp.row_changes', 'INSERT') AS writable`,
      [logins.reader],
    );
    expect(rows).toEqual([{ readable: true, writable: false }]);
  });

  test('names that a path has to encode arrive', async () => {
    await databases.source.query(
      'CREATE TABLE "Odd 50% name.x" (id int PRIMARY KEY); INSERT INTO "Odd 50% name.x" VALUES (7)',
    );
    await using migrate = await start('Migrate');
    await migrate.invoke(deployment('Update', ['orders', '"Odd 50% name.x"'], ['orders']), 60_000);
    expect(aws.cloudFormation.at(-1), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
    await using poller = await start('Poller');
    await poller.invoke({});
    await using api = await start('Api');
    const path = `/v1/nodes/${databases.node}/tables/${encodeURIComponent('public."Odd 50% name.x"')}/asof?pk=7`;
    const answer = (await api.invoke(apiEvent(path))) as HttpAnswer;
    expect(answer, api.output()).toMatchObject({ statusCode: 200 });
    expect(answer.body).toContain('"table":"Odd 50% name.x"');
  });

  test('the doctor tells the topic what does not pass', async () => {
    await using doctor = await start('Doctor', { broken: ARNS.source });
    const result = (await doctor.invoke({})) as { nodes: { node: string; status: string }[] };
    expect(
      result.nodes.find(({ node }) => node === 'broken'),
      doctor.output(),
    ).toMatchObject({ status: 'fail' });
    const message = aws.published.at(-1)?.get('Message') ?? '';
    expect(message).toContain('FAIL [node_known] The store has no node "broken".');
    const { rows } = await databases.store.query(
      `SELECT code FROM pgtimewarp.health_events WHERE node_id = 'broken' AND severity = 'fail'`,
    );
    expect(rows).toContainEqual({ code: 'node_known' });
  });

  test('a deployment that fails says why and takes back the node that it made', async () => {
    await using migrate = await start('Migrate');
    const event = deployment('Create', ['nothing_there']) as { ResourceProperties: { Nodes: string } };
    event.ResourceProperties.Nodes = event.ResourceProperties.Nodes.replaceAll(
      databases.node,
      `${databases.node}_2`,
    );
    await migrate.invoke(event, 60_000);
    expect(aws.cloudFormation.at(-1), migrate.output()).toMatchObject({
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
      expect(aws.cloudFormation.at(-1), migrate.output()).toMatchObject({ Status: 'SUCCESS' });
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
  const sizes = (['Poller', 'Api', 'Doctor', 'Migrate'] as const).map((name) => {
    const bytes = statSync(join(bundleFolder(synthesized, name), 'index.mjs')).size;
    return [name, bytes] as const;
  });
  console.log(
    `bundle sizes: ${sizes.map(([name, bytes]) => `${name} ${(bytes / 1024).toFixed(0)} KiB`).join(', ')}`,
  );
  expect(new Map(sizes).get('Api')).toBeLessThan(2 * 1024 * 1024);
});
