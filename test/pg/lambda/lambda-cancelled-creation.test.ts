/**
 * CloudFormation cancels a creation without notice. Then it requests the deletion of a resource whose id it does not know, so
 * it makes one up. Whichever comes first, nothing is left in the end: no slot, no publication, no active node.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import example from '../../../infra/config/example.ts';
import { callProxy } from '../../support/call-proxy.ts';
import {
  ARNS,
  type DeployedNode,
  deploymentEvent,
  type LambdaDatabases,
  lambdaDatabases,
} from '../../support/lambda-databases.ts';
import { type LambdaEnvironment, startLambda } from '../../support/run-lambda.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

let synthesized: Synthesized;
let databases: LambdaDatabases;
let creating: LambdaEnvironment;
let deleting: LambdaEnvironment;
let node: DeployedNode;

beforeAll(async () => {
  synthesized = await synthesizeWithCode(example);
}, 240_000);

beforeEach(async () => {
  databases = await lambdaDatabases(
    'CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)',
  );
  const start = () => startLambda(bundleFolder(synthesized, 'Migrate'), databases.functionEnv('Migrate'));
  [creating, deleting] = await Promise.all([start(), start()]);
  node = {
    node: databases.node,
    sourceSecretArn: ARNS.source,
    plugin: 'pgoutput',
    tables: [{ name: 'orders' }],
  };
}, 60_000);

afterEach(async () => {
  await creating?.[Symbol.asyncDispose]();
  await deleting?.[Symbol.asyncDispose]();
  await databases?.[Symbol.asyncDispose]();
});

type Answer = Readonly<Record<'RequestId' | 'Status' | 'Reason', string>>;

const create = (remainingMs = 60_000) =>
  creating.invoke(deploymentEvent(databases.aws, 'Create', { nodes: [node] }), remainingMs);

const cancel = (remainingMs = 60_000): Promise<unknown> => {
  const event = deploymentEvent(databases.aws, 'Delete', { nodes: [node] });
  return deleting.invoke(
    { ...event, PhysicalResourceId: 'pgtimewarp-app-Databases-1A2B3C4D5E6F7' },
    remainingMs,
  );
};

function answerTo(type: 'Create' | 'Delete'): Answer | undefined {
  const answers = databases.aws.cloudFormation as unknown as Answer[];
  return answers.find(({ RequestId }) => RequestId.startsWith(`request-${type}-`));
}

/** What exists of the node. */
async function left(): Promise<{ slots: number; publications: number; nodes: number }> {
  const { rows: source } = await databases.source.query<{ slots: number; publications: number }>(
    `SELECT (SELECT count(*)::int FROM pg_replication_slots WHERE database = current_database()) AS slots,
            (SELECT count(*)::int FROM pg_publication) AS publications`,
  );
  const { rows: store } = await databases.store.query<{ nodes: number }>(
    `SELECT count(*)::int AS nodes FROM pgtimewarp.nodes WHERE status <> 'removed'`,
  );
  return { ...source[0]!, ...store[0]! };
}

const NOTHING = { slots: 0, publications: 0, nodes: 0 };

/** Changes the address of the source in its secret. */
function sourceIsAt(url: string): void {
  databases.aws.secrets.set(ARNS.source, JSON.stringify({ url }));
}

async function expectStopped(): Promise<void> {
  expect(answerTo('Create')).toMatchObject({
    Status: 'FAILED',
    Reason: expect.stringMatching(/^INTERRUPTED: A newer request/),
  });
  expect(await left()).toEqual(NOTHING);
  const again = await create().then(() => databases.aws.cloudFormation.at(-1));
  expect(again, 'asked for anew, it is wanted').toMatchObject({ Status: 'SUCCESS' });
}

test('while the creation waits for an open transaction: the creation is ended', async () => {
  const writer = await databases.connect('source');
  await writer.query('BEGIN; INSERT INTO orders VALUES (2)');
  const created = create();
  await expect.poll(async () => (await left().catch(() => NOTHING)).slots, { timeout: 20_000 }).toBe(1);
  await cancel();
  expect(answerTo('Delete'), deleting.output()).toMatchObject({ Status: 'SUCCESS' });
  await created;
  await writer.query('COMMIT');
  await expectStopped();
}, 60_000);

test('before the creation has reached either database', async () => {
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await using slow = await callProxy(databases.sourceUrl, { at: 1, fault: () => held });
  sourceIsAt(slow.url);
  const created = create();
  await expect.poll(() => slow.calls(), { timeout: 20_000 }).toBe(1);
  sourceIsAt(databases.sourceUrl);
  await cancel();
  expect(answerTo('Delete'), deleting.output()).toMatchObject({ Status: 'SUCCESS' });
  goOn();
  await created;
  await expectStopped();
}, 60_000);

test.each([5, 14, 20, 30])(
  'while the creation sends query %d to the source',
  async (at) => {
    let cancelled: Promise<unknown> | null = null;
    const meanwhile = async (): Promise<void> => {
      cancelled = cancel();
      await sleep(1_500); // the deletion waits for the creation, or is done
    };
    await using proxy = await callProxy(databases.sourceUrl, { at, fault: meanwhile });
    sourceIsAt(proxy.url);
    await create();
    await cancelled;
    expect(proxy.calls()).toBeGreaterThanOrEqual(at);
    expect(answerTo('Delete'), deleting.output()).toMatchObject({ Status: 'SUCCESS' });
    expect(answerTo('Create')).toMatchObject({
      Status: 'FAILED',
      Reason: expect.not.stringContaining('INTERNAL'),
    });
    expect(await left()).toEqual(NOTHING);
  },
  60_000,
);

test('a creation that runs out of time while it waits leaves nothing', async () => {
  const writer = await databases.connect('source');
  await writer.query('BEGIN; INSERT INTO orders VALUES (2)');
  await create(34_000); // 20 of these seconds are reserved for undoing
  await writer.query('COMMIT');
  expect(answerTo('Create')).toMatchObject({
    Status: 'FAILED',
    Reason: expect.stringMatching(
      /^DEADLINE: The time limit of the request passed.* waits for transactions .*: pid \d+ \(role .*Repeat it when they have ended/,
    ),
  });
  expect(await left()).toEqual(NOTHING);
}, 60_000);

test('a frozen creation does not delay the deletion, and changes nothing when it continues', async () => {
  const writer = await databases.connect('source');
  await writer.query('BEGIN; INSERT INTO orders VALUES (2)');
  const created = create().catch(() => {}); // the deletion may have to end the session of the creation
  await expect.poll(async () => (await left().catch(() => NOTHING)).slots, { timeout: 20_000 }).toBe(1);
  creating.freeze();
  await writer.query('COMMIT');
  await cancel(90_000);
  expect(answerTo('Delete'), deleting.output()).toMatchObject({ Status: 'SUCCESS' });
  const again = deploymentEvent(databases.aws, 'Create', { nodes: [node] });
  await deleting.invoke(again, 60_000);
  expect(databases.aws.cloudFormation.at(-1), deleting.output()).toMatchObject({ Status: 'SUCCESS' });
  const made = await left();
  creating.thaw();
  await created;
  expect(await left()).toEqual(made);
}, 150_000);

test('a creation that is delivered twice gets the same answer twice', async () => {
  const event = deploymentEvent(databases.aws, 'Create', { nodes: [node] });
  await Promise.all([creating.invoke(event, 60_000), deleting.invoke(event, 60_000)]);
  expect(databases.aws.cloudFormation.map(({ Status }) => Status)).toEqual(['SUCCESS', 'SUCCESS']);
  await cancel();
  await creating.invoke(event, 60_000);
  expect(databases.aws.cloudFormation.at(-1), 'long after').toMatchObject({ Status: 'SUCCESS' });
  expect(await left()).toEqual(NOTHING);
}, 60_000);

test('a creation that is delivered twice and cancelled gets the same answer twice', async () => {
  const writer = await databases.connect('source');
  await writer.query('BEGIN; INSERT INTO orders VALUES (2)');
  const start = () => startLambda(bundleFolder(synthesized, 'Migrate'), databases.functionEnv('Migrate'));
  await using copying = await start();
  const event = deploymentEvent(databases.aws, 'Create', { nodes: [node] });
  const created = creating.invoke(event, 60_000);
  await expect.poll(async () => (await left().catch(() => NOTHING)).slots, { timeout: 20_000 }).toBe(1);
  const copied = copying.invoke(event, 60_000);
  await sleep(1_000); // the second waits for the first
  await Promise.all([cancel(), created, copied]);
  await writer.query('COMMIT');
  const [first, ...others] = databases.aws.cloudFormation.filter(
    ({ RequestId }) => RequestId === answerTo('Create')!.RequestId,
  );
  expect(first).toMatchObject({ Status: 'FAILED', Reason: expect.stringMatching(/^INTERRUPTED: /) });
  expect(others).toEqual([first]);
  expect(await left()).toEqual(NOTHING);
}, 60_000);

test('a deletion removes what a failed creation could not undo, and nothing that existed before', async () => {
  const before = { ...node, node: `${node.node}_before`, tables: [] };
  await creating.invoke(deploymentEvent(databases.aws, 'Create', { nodes: [before] }), 60_000);
  databases.aws.cloudFormation.length = 0;
  const writer = await databases.connect('source');
  await writer.query('BEGIN; INSERT INTO orders VALUES (2)');
  const way = await callProxy(databases.sourceUrl, null);
  const both = { nodes: [before, { ...node, sourceSecretArn: ARNS.reader }] };
  const direct = JSON.stringify({ url: databases.sourceUrl });
  databases.aws.secrets.set(ARNS.reader, JSON.stringify({ url: way.url }));
  const env = { ...databases.functionEnv('Migrate'), PGTIMEWARP_READER_SECRET_ARN: ARNS.writer };
  await using creation = await startLambda(bundleFolder(synthesized, 'Migrate'), env);
  const created = creation.invoke(deploymentEvent(databases.aws, 'Create', both), 60_000);
  await expect.poll(async () => (await left()).slots, { timeout: 20_000 }).toBe(2);
  await way[Symbol.asyncDispose](); // the source is unreachable until the deletion
  await created;
  await writer.query('COMMIT');
  const { Status, PhysicalResourceId } = databases.aws.cloudFormation.at(-1)!;
  expect({ Status, PhysicalResourceId }, creation.output()).toEqual({
    Status: 'FAILED',
    PhysicalResourceId: `pgtimewarp-nothing-but:${node.node}`,
  });
  databases.aws.secrets.set(ARNS.reader, direct);
  await deleting.invoke({ ...deploymentEvent(databases.aws, 'Delete', both), PhysicalResourceId }, 60_000);
  expect(answerTo('Delete'), deleting.output()).toMatchObject({ Status: 'SUCCESS' });
  expect(await left()).toEqual({ slots: 1, publications: 1, nodes: 1 });
}, 90_000);
