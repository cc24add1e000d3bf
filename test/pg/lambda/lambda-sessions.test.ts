/** How many sessions the functions hold on real servers, while nodes are served and afterwards. */
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Credentials } from '../../../lambda/shared/credentials.ts';
import { Sessions } from '../../../lambda/shared/sessions.ts';
import { ARNS, type LambdaDatabases, lambdaDatabases, secretArn } from '../../support/lambda-databases.ts';

const NODES = Array.from({ length: 8 }, (_, index) => `n${index}`);
let databases: LambdaDatabases;

beforeAll(async () => {
  databases = await lambdaDatabases('CREATE TABLE t (id int PRIMARY KEY)');
}, 60_000);

afterAll(() => databases?.[Symbol.asyncDispose]());

function makeSessions(): Sessions {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const endpoint = databases.aws.env.AWS_ENDPOINT_URL_SECRETS_MANAGER!;
  return new Sessions(
    new Credentials(new SecretsManagerClient({ endpoint, region: 'eu-central-1', credentials })),
  );
}

/** The names of our sessions in the two databases. */
async function open(): Promise<{ store: string[]; source: string[] }> {
  const names = async (session: pg.Client): Promise<string[]> => {
    const { rows } = await session.query<{ name: string }>(
      `SELECT application_name AS name FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = ANY ($1) ORDER BY application_name`,
      [NODES.map((node) => `pgtimewarp/${node}`)],
    );
    return rows.map(({ name }) => name.replace('pgtimewarp/', ''));
  };
  return { store: await names(databases.store), source: await names(databases.source) };
}

test('nodes share a session of their store, and no session of a source outlives its run', async () => {
  const sessions = makeSessions();
  const run = (node: string, work: () => Promise<unknown>): Promise<unknown> =>
    sessions.use({ side: 'store', node, secretArn: ARNS.owner }, () =>
      sessions.use({ side: 'source', node, secretArn: ARNS.source }, work),
    );
  const pids = new Set<unknown>();
  for (const node of NODES) {
    await run(node, async () => expect(await open()).toEqual({ store: [node], source: [node] }));
    await sessions.use({ side: 'store', node, secretArn: ARNS.owner }, async (session) => {
      pids.add((await session.query('SELECT pg_backend_pid() AS pid')).rows[0].pid);
    });
    expect((await open()).source).toEqual([]);
  }
  expect(pids.size).toBe(1);
  expect((await open()).store).toHaveLength(1);
});

test('nodes that are served at the same time leave one session for each of two stores', async () => {
  const sessions = makeSessions();
  const stores = [ARNS.owner, secretArn('second'), secretArn('third')];
  for (const arn of stores) databases.aws.secrets.set(arn, databases.aws.secrets.get(ARNS.owner)!);
  let entered = 0;
  let everyoneIn = (): void => {};
  const everyone = new Promise<void>((resolve) => {
    everyoneIn = resolve;
  });
  await Promise.all(
    NODES.map((node, index) =>
      sessions.use({ side: 'store', node, secretArn: stores[index % stores.length]! }, () =>
        sessions.use({ side: 'source', node, secretArn: ARNS.source }, async () => {
          if (++entered === NODES.length) everyoneIn();
          await everyone;
        }),
      ),
    ),
  );
  expect((await open()).source).toEqual([]);
  // two, and the one of the first test; those that are too many are closing
  await expect.poll(async () => (await open()).store.length, { timeout: 5_000 }).toBe(3);
});
