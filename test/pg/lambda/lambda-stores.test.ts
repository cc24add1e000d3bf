/** The API function of a deployment with two stores: it finds the store of a node, lists the nodes of both, and one that is silent is an error. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import example from '../../../infra/config/example.ts';
import { apiEvent, type HttpAnswer } from '../../support/api-event.ts';
import {
  ARNS,
  deploymentEvent,
  type LambdaDatabases,
  lambdaDatabases,
  secretArn,
} from '../../support/lambda-databases.ts';
import { type LambdaEnvironment, startLambda } from '../../support/run-lambda.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

const OTHER = secretArn('other-reader');

let synthesized: Synthesized;
let first: LambdaDatabases;
let second: LambdaDatabases;

beforeAll(async () => {
  synthesized = await synthesizeWithCode(example);
  [first, second] = [await withHistory('one'), await withHistory('two')];
  const secret = second.aws.secrets.get(ARNS.reader)!;
  first.aws.secrets.set(OTHER, secret);
}, 240_000);

afterAll(async () => {
  for (const each of [first, second]) await each?.[Symbol.asyncDispose]();
});

/** A node whose table has one row. */
async function withHistory(value: string): Promise<LambdaDatabases> {
  const databases = await lambdaDatabases(
    `CREATE TABLE orders (id int PRIMARY KEY, v text); INSERT INTO orders VALUES (1, '${value}')`,
  );
  const node = { node: databases.node, sourceSecretArn: ARNS.source, plugin: 'pgoutput' };
  await using migrate = await startLambda(
    bundleFolder(synthesized, 'Migrate'),
    databases.functionEnv('Migrate'),
  );
  const event = deploymentEvent(databases.aws, 'Create', {
    nodes: [{ ...node, tables: [{ name: 'orders' }] }],
  });
  await migrate.invoke(event, 60_000);
  expect(databases.aws.cloudFormation.at(-1)?.Status, migrate.output()).toBe('SUCCESS');
  await using poller = await startLambda(
    bundleFolder(synthesized, 'Poller'),
    databases.functionEnv('Poller'),
  );
  await poller.invoke({}, 60_000);
  return databases;
}

function start(): Promise<LambdaEnvironment> {
  return startLambda(bundleFolder(synthesized, 'Api'), {
    ...first.functionEnv('Api'),
    PGTIMEWARP_OTHER_STORE_SECRET_ARNS: JSON.stringify([OTHER]),
  });
}

const ask = async (api: LambdaEnvironment, path: string): Promise<HttpAnswer> =>
  (await api.invoke(apiEvent(path), 29_000)) as HttpAnswer;
const asOf = (node: string): string => `/v1/nodes/${node}/tables/public.orders/asof?pk=1`;

test('a question finds the store of its node', async () => {
  await using api = await start();
  for (const [{ node }, value] of [
    [second, 'two'],
    [first, 'one'],
    [second, 'two'],
  ] as const) {
    const { statusCode, body } = await ask(api, asOf(node));
    expect([statusCode, body], api.output()).toEqual([200, expect.stringContaining(`"v":"${value}"`)]);
    const tables = await ask(api, `/v1/nodes/${node}/tables`);
    expect(tables, api.output()).toMatchObject({ statusCode: 200 });
  }
  const { statusCode, body } = await ask(api, asOf('nowhere'));
  expect([statusCode, body]).toEqual([404, expect.stringContaining('error:NODE_UNKNOWN')]);
}, 120_000);

test('nodes and health are of all stores, by name', async () => {
  await using api = await start();
  const expected = [first.node, second.node].toSorted();
  for (const path of ['/v1/nodes', '/v1/health']) {
    const { statusCode, body } = await ask(api, path);
    expect(statusCode, api.output()).toBe(200);
    expect((JSON.parse(body) as { nodes: { node: string }[] }).nodes.map(({ node }) => node)).toEqual(
      expected,
    );
  }
}, 120_000);

test('a node that moved is asked where it is now', async () => {
  await second.store.query(
    `INSERT INTO pgtimewarp.nodes (node_id, system_identifier, timeline, database_name, slot_name, plugin, status)
     VALUES ($1, '1', 1, 'shop', 'shop', 'pgoutput', 'removed')`,
    [first.node],
  );
  await using api = await startLambda(bundleFolder(synthesized, 'Api'), {
    ...first.functionEnv('Api'),
    PGTIMEWARP_STORE_SECRET_ARN: OTHER,
    PGTIMEWARP_OTHER_STORE_SECRET_ARNS: JSON.stringify([ARNS.reader]),
  });
  expect(await ask(api, asOf(first.node)), api.output()).toMatchObject({ statusCode: 200 });
  const { nodes } = JSON.parse((await ask(api, '/v1/nodes')).body) as { nodes: Record<string, string>[] };
  expect(nodes.filter(({ node }) => node === first.node).map(({ status }) => status)).toEqual(['active']);
}, 120_000);

test('a store that does not answer is an error for its nodes and for lists, and for no other node', async () => {
  const secret = first.aws.secrets.get(OTHER)!;
  first.aws.secrets.set(OTHER, secret.replace(/"port":\d+/, '"port":1'));
  try {
    await using api = await start();
    expect(await ask(api, asOf(first.node)), api.output()).toMatchObject({ statusCode: 200 });
    for (const path of [asOf(second.node), '/v1/nodes', '/v1/health'])
      expect(await ask(api, path), path).toMatchObject({ statusCode: 503 });
    first.aws.secrets.set(OTHER, secret);
    expect(await ask(api, asOf(second.node)), api.output()).toMatchObject({ statusCode: 200 });
  } finally {
    first.aws.secrets.set(OTHER, secret);
  }
}, 120_000);

test('a store that is silent keeps no question about nodes of another one waiting', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const secret = first.aws.secrets.get(OTHER)!;
  const { port } = silent.address() as AddressInfo;
  first.aws.secrets.set(OTHER, secret.replace(/"port":\d+/, `"port":${port}`));
  try {
    await using api = await start();
    const started = performance.now();
    expect(await ask(api, asOf(first.node)), api.output()).toMatchObject({ statusCode: 200 });
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(await ask(api, asOf(second.node)), api.output()).toMatchObject({ statusCode: 503 });
  } finally {
    first.aws.secrets.set(OTHER, secret);
    silent.close();
  }
}, 120_000);
