/** The functions return the documents that the commands print: the synthesised bundles compared with the command line. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import example from '../../../infra/config/example.ts';
import { runCommand } from '../../support/command.ts';
import {
  ARNS,
  deploymentEvent,
  type FunctionName,
  type LambdaDatabases,
  lambdaDatabases,
} from '../../support/lambda-databases.ts';
import { startLambda } from '../../support/run-lambda.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

type Json = Readonly<Record<string, unknown>>;

let synthesized: Synthesized;
let databases: LambdaDatabases;

beforeAll(async () => {
  synthesized = await synthesizeWithCode(example);
  databases = await lambdaDatabases('CREATE TABLE orders (id int PRIMARY KEY)');
  const node = { node: databases.node, sourceSecretArn: ARNS.source, plugin: 'pgoutput' };
  const state = { nodes: [{ ...node, tables: [{ name: 'orders' }] }] };
  await invoke('Migrate', deploymentEvent(databases.aws, 'Create', state));
  expect(databases.aws.cloudFormation.at(-1)).toMatchObject({ Status: 'SUCCESS' });
}, 240_000);

afterAll(() => databases?.[Symbol.asyncDispose]());

/** @param login of the store; default: the login of a deployment */
async function invoke(name: FunctionName, event: object, login?: string): Promise<unknown> {
  const env = databases.functionEnv(name);
  if (login !== undefined) env.PGTIMEWARP_STORE_SECRET_ARN = login;
  await using environment = await startLambda(bundleFolder(synthesized, name), env);
  return await environment.invoke(event, 60_000);
}

async function invokeForNode(name: 'Poller' | 'Doctor', login?: string): Promise<Json> {
  const { nodes } = (await invoke(name, {}, login)) as { nodes: Json[] };
  return nodes[0]!;
}

async function printed(...args: string[]): Promise<Json> {
  return JSON.parse((await runCommand([...args, '--json'], databases)).stdout) as Json;
}

test('a run, with the tables that it begins to follow', async () => {
  await printed('track', 'f_*', '--follow');
  const runs: Json[] = [];
  for (const [table, run] of [
    ['f_one', () => printed('poll')],
    ['f_two', () => invokeForNode('Poller')],
  ] as const) {
    await databases.source.query(`CREATE TABLE ${table} (id int PRIMARY KEY)`);
    const document = await run();
    expect(document).toMatchObject({ node: databases.node, followed: [`public.${table}`] });
    runs.push(document);
  }
  expect(Object.keys(runs[1]!)).toEqual(Object.keys(runs[0]!));
  await printed('untrack', 'f_*');
  expect(Object.keys(await invokeForNode('Poller'))).toEqual(Object.keys(await printed('poll')));
});

test('checks', async () => {
  const diagnosis = await printed('doctor');
  const { node, ...examined } = await invokeForNode('Doctor');
  expect(node).toBe(databases.node);
  expect(Object.keys(examined)).toEqual(Object.keys(diagnosis));
  const members = ({ checks }: Json) => new Set((checks as Json[]).flatMap(Object.keys));
  expect(members(examined)).toEqual(members(diagnosis));
});

test('the settings of a slot', async () => {
  const asked = { action: 'slot-budget', node: databases.node, budget: '20GB', automatic: true };
  const done = (await invoke('Maintenance', asked)) as Json;
  const document = await printed('release-slot', '--budget', '20GB', '--automatic', 'on');
  expect(document).toMatchObject({ slot_budget_bytes: 20 * 1024 ** 3, automatic: true });
  expect(done).toEqual({ action: 'slot-budget', ...document });
});
