/** Nodes that no map names: the store lists them, and their secrets follow a convention. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { init } from '../../../core/setup/init.ts';
import { readNodeNames } from '../../../core/store/node/fleet.ts';
import example from '../../../infra/config/example.ts';
import {
  ARNS,
  type FunctionName,
  type LambdaDatabases,
  lambdaDatabases,
} from '../../support/lambda-databases.ts';
import { reportedMetrics } from '../../support/metrics.ts';
import { FUNCTION_NAME, type LambdaEnvironment, startLambda } from '../../support/run-lambda.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

const PREFIX = 'pgtimewarp/sources/';
let synthesized: Synthesized;
let databases: LambdaDatabases;
let names: string[];

beforeAll(async () => {
  synthesized = await synthesizeWithCode(example);
  databases = await lambdaDatabases('CREATE TABLE t (id int PRIMARY KEY)');
  const { storeUrl, sourceUrl, node } = databases;
  names = Array.from({ length: 7 }, (_, index) => `${node}_${index}`);
  for (const each of names) {
    await init({ sourceUrl, storeUrl, node: each, plugin: 'pgoutput', slotName: null, version: 'test' });
    databases.aws.secrets.set(`${PREFIX}${each}`, databases.aws.secrets.get(ARNS.source)!);
  }
}, 240_000);

afterAll(() => databases?.[Symbol.asyncDispose]());

function start(name: FunctionName, more: Readonly<Record<string, string>> = {}): Promise<LambdaEnvironment> {
  return startLambda(bundleFolder(synthesized, name), {
    ...databases.functionEnv(name),
    PGTIMEWARP_STORE_SECRET_ARN: ARNS.owner,
    PGTIMEWARP_SOURCE_SECRET_ARNS: '{}',
    PGTIMEWARP_SOURCE_SECRET_PREFIX: PREFIX,
    PGTIMEWARP_NODES_AT_ONCE: '2',
    PGTIMEWARP_NODE_METRICS: 'off',
    ...more,
  });
}

type Answer = { readonly nodes: readonly { readonly node: string; readonly outcome: string }[] };

test('the parts of all nodes are served once each, and the worst node is reported without a dimension for it', async () => {
  await using poller = await start('Poller');
  const served: string[] = [];
  for (const part of [0, 1, 2]) {
    const { nodes } = (await poller.invoke({ part, of: 3 }, 60_000)) as Answer;
    for (const { node, outcome } of nodes) {
      expect(outcome, poller.output()).toBe('done');
      served.push(node);
    }
  }
  expect(served.sort()).toEqual(names);
  const metrics = reportedMetrics(poller.output());
  expect(new Set(metrics.map(({ name }) => name))).toEqual(
    new Set(['WorstHorizonAgeInSeconds', 'WorstWalBudgetUsedInPercent', 'NodesFailed']),
  );
  for (const { dimensions } of metrics)
    expect(dimensions).toEqual([
      ['function_name', FUNCTION_NAME],
      ['service', 'poller'],
    ]);
});

test('a node that no run serves makes the worst age grow', async () => {
  await databases.store.query(
    `UPDATE pgtimewarp.wal_checkpoints SET applied_ts = applied_ts - interval '1 hour' WHERE node_id = $1`,
    [names[0]],
  );
  await using poller = await start('Poller');
  await poller.invoke({ node: names[1] }, 60_000);
  const ages = [...poller.output().matchAll(/"WorstHorizonAgeInSeconds":(\d+)/g)].map(([, age]) =>
    Number(age),
  );
  expect(Math.max(...ages)).toBeGreaterThan(3500);
});

test('doctor examines one part, and the other functions find the secret by its name', async () => {
  await using doctor = await start('Doctor');
  const { nodes } = (await doctor.invoke({ part: 0, of: 2 }, 60_000)) as Answer;
  expect(nodes.length).toBeGreaterThan(0);
  expect(nodes.length).toBeLessThan(names.length);
  expect(reportedMetrics(doctor.output())).toContainEqual({
    namespace: 'pgtimewarp',
    name: 'NodesWithGaps',
    dimensions: [
      ['function_name', FUNCTION_NAME],
      ['service', 'doctor'],
    ],
  });
  await using maintenance = await start('Maintenance');
  const event = { action: 'slot-budget', node: names[0], budget: '20GB' };
  expect(await maintenance.invoke(event, 60_000)).toMatchObject({ slot_budget_bytes: 21474836480 });
});

test('the node that is the furthest behind comes first, and no node must wait for those that stay behind', async () => {
  await databases.store.query(
    `UPDATE pgtimewarp.wal_checkpoints
        SET applied_ts = applied_ts - CASE WHEN node_id = $1 THEN interval '2 days' ELSE interval '1 day' END
      WHERE node_id = ANY ($2)`,
    [names[0], names.slice(0, 5)],
  );
  const second = new Set<string | undefined>();
  for (let i = 0; i < 200; i++) {
    const order = await readNodeNames(databases.store, { part: 0, of: 1 });
    expect([...order].sort()).toEqual(names);
    expect(order[0]).toBe(names[0]);
    second.add(order[1]);
  }
  expect([...second].sort()).toEqual(names.slice(1));
});

test('near its end an invocation begins with no other node', async () => {
  for (const name of ['Poller', 'Doctor'] as const) {
    await using function_ = await start(name, { PGTIMEWARP_NODES_AT_ONCE: '1' });
    const { nodes } = (await function_.invoke({}, 20_000)) as Answer;
    expect(nodes, function_.output()).toHaveLength(1);
    expect(function_.output()).toContain('no time for all nodes');
  }
});

test('an event that names half a part is refused', async () => {
  await using poller = await start('Poller');
  await expect(poller.invoke({ part: 1 })).rejects.toThrow(/name "part" and "of"/);
  await expect(poller.invoke({ part: 3, of: 3 })).rejects.toThrow(/"part" must be less/);
});
