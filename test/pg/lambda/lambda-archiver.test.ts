/** The archiver as it is deployed, with a real bucket and catalog: from what the deployment says of a table to verified units. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import example from '../../../infra/config/example.ts';
import { archiveTools } from '../../support/archive-tools.ts';
import {
  ARNS,
  type DeployedNode,
  deploymentEvent,
  type LambdaDatabases,
  lambdaDatabases,
} from '../../support/lambda-databases.ts';
import { reportedMetrics } from '../../support/metrics.ts';
import { muteProxy } from '../../support/mute-proxy.ts';
import { describeNeeding } from '../../support/needs.ts';
import { FUNCTION_NAME, type LambdaEnvironment, startLambda } from '../../support/run-lambda.ts';
import { type Seaweed, startSeaweed } from '../../support/seaweed.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

/** From so much on the function begins nothing more (lambda/archiver/handler.ts). */
const STOPPING_MS = 30_000;

type Answer = { readonly nodes: readonly Readonly<Record<string, unknown>>[] };

describeNeeding(archiveTools(), 'the archiver', () => {
  let synthesized: Synthesized;
  let seaweed: Seaweed;
  let databases: LambdaDatabases;
  let poller: LambdaEnvironment;
  let migrate: LambdaEnvironment;

  beforeAll(async () => {
    seaweed = await startSeaweed();
    synthesized = await synthesizeWithCode({ ...example, archive: { bucket: 'arch' } });
    databases = await lambdaDatabases(
      `CREATE TABLE things (k int PRIMARY KEY, n numeric); INSERT INTO things VALUES (1, 1.10);
       CREATE TABLE other (k int PRIMARY KEY)`,
    );
    migrate = await startLambda(bundleFolder(synthesized, 'Migrate'), databases.functionEnv('Migrate'));
    poller = await startLambda(bundleFolder(synthesized, 'Poller'), databases.functionEnv('Poller'));
  }, 240_000);

  afterAll(async () => {
    for (const each of [poller, migrate, databases, seaweed]) await each?.[Symbol.asyncDispose]();
  });

  const ARCHIVE = { hot: '1s', drop: false, minRows: 1 };
  const deployed = (archive: object | null): DeployedNode => ({
    node: databases.node,
    sourceSecretArn: ARNS.source,
    plugin: 'pgoutput',
    tables: [{ name: 'things', archive }, { name: 'other' }],
  });

  async function deploy(type: 'Create' | 'Update', archive: object | null, before: object | null) {
    const [wanted, former] = [{ nodes: [deployed(archive)] }, { nodes: [deployed(before)] }];
    await migrate.invoke(deploymentEvent(databases.aws, type, wanted, former), 60_000);
    expect(databases.aws.cloudFormation.at(-1)?.Status, migrate.output()).toBe('SUCCESS');
  }

  async function settings(): Promise<unknown[]> {
    const { rows } = await databases.store.query(
      `SELECT table_name, extract(epoch FROM hot)::int AS hot, min_rows, is_on, drops FROM pgtimewarp.archive_settings ORDER BY 1`,
    );
    return rows;
  }

  async function units(): Promise<{ state: string; rows: string | null }[]> {
    const { rows } = await databases.store.query<{ state: string; rows: string | null }>(
      'SELECT state, row_count::text AS rows FROM pgtimewarp.archive_units ORDER BY relation_id, unit',
    );
    return rows;
  }

  /** Changes things, and waits until they are older than the hot window. */
  async function write(n: number): Promise<void> {
    await databases.source.query('UPDATE things SET n = $1::int', [n]);
    await poller.invoke({ node: databases.node }, 60_000);
    await sleep(1200);
    await poller.invoke({ node: databases.node }, 60_000);
  }

  function archiver(env: Readonly<Record<string, string>> = {}): Promise<LambdaEnvironment> {
    return startLambda(bundleFolder(synthesized, 'Archiver'), {
      ...databases.functionEnv('Archiver'),
      ...{ ...seaweed.env, ...env },
    });
  }

  test('a deployment sets what is archived', async () => {
    await deploy('Create', ARCHIVE, null);
    expect(await settings()).toEqual([
      { table_name: 'things', hot: 1, min_rows: 1, is_on: true, drops: false },
    ]);
  }, 120_000);

  test('a run without time begins nothing and is no failure', async () => {
    await write(2);
    await using function_ = await archiver();
    const { nodes } = (await function_.invoke({}, STOPPING_MS - 5_000)) as Answer;
    expect(nodes, function_.output()).toMatchObject([{ node: databases.node, outcome: 'stopped', units: 0 }]);
    expect(await units()).toEqual([]);
  }, 120_000);

  test('a bucket that does not answer ends the run in time; the next run in the same environment finishes the unit', async () => {
    await using proxy = await muteProxy(seaweed.s3Url, '.parquet');
    await using function_ = await archiver({ AWS_ENDPOINT_URL_S3: proxy.url });
    await expect(function_.invoke({}, STOPPING_MS + 5_000), function_.output()).rejects.toThrow(
      /1 of 1 nodes failed: .*DEADLINE: .*the bucket or the catalog does not answer/,
    );
    expect(proxy.muted()).toBe(1);
    expect((await units()).map(({ state }) => state)).toEqual(['planned']);
    const { nodes } = (await function_.invoke({}, 120_000)) as Answer;
    expect(nodes, function_.output()).toMatchObject([
      { node: databases.node, outcome: 'done', due_seconds: 0, reason: null },
    ]);
    const done = await units();
    expect(new Set(done.map(({ state }) => state))).toEqual(new Set(['verified']));
    const { rows } = await databases.store.query<{ rows: string }>(
      `SELECT count(*)::text AS rows FROM pgtimewarp.row_changes AS c
         JOIN pgtimewarp.tracked_relations AS r ON r.relation_id = c.relation_id WHERE r.table_name = 'things'`,
    );
    expect(nodes[0]!.rows).toBe(rows[0]!.rows);
    expect(nodes[0]!.units).toBe(done.length);
    const common = [
      ['function_name', FUNCTION_NAME],
      ['service', 'archiver'],
    ];
    expect(reportedMetrics(function_.output()).map(({ name, dimensions }) => [name, dimensions])).toEqual(
      expect.arrayContaining([
        ['WorstDueUnitAgeInSeconds', common],
        ['NodesNotArchived', common],
        ['UnitsArchived', expect.arrayContaining([['node', databases.node]])],
      ]),
    );
    expect(function_.output()).toMatch(/"NodesNotArchived":1[,}]/);
    expect(function_.output()).toMatch(/"NodesNotArchived":0[,}]/);
    // what is due has waited since the first run planned it
    expect(function_.output()).toMatch(/"WorstDueUnitAgeInSeconds":0[,}]/);
  }, 180_000);

  test('an environment that sleeps keeps no other one from the archive', async () => {
    await using first = await archiver();
    await first.invoke({}, 120_000);
    first.freeze();
    await write(3);
    await using second = await archiver();
    const { nodes } = (await second.invoke({}, 120_000)) as Answer;
    expect(nodes, second.output()).toMatchObject([{ outcome: 'done', units: 1 }]);
    first.thaw();
  }, 180_000);

  test('without the archive in the configuration no new unit is begun; one that was set by hand stays', async () => {
    await databases.store.query(
      `INSERT INTO pgtimewarp.archive_settings (node_id, schema_name, table_name, hot, min_rows)
       VALUES ($1, 'public', 'other', '9s', 7)`,
      [databases.node],
    );
    await deploy('Update', null, ARCHIVE);
    expect(await settings()).toEqual([
      { table_name: 'other', hot: 9, min_rows: 7, is_on: true, drops: false },
      { table_name: 'things', hot: 1, min_rows: 1, is_on: false, drops: false },
    ]);
    await deploy('Update', { ...ARCHIVE, hot: '2d', drop: true, minRows: null }, null);
    expect((await settings())[1]).toEqual({
      ...{ table_name: 'things', hot: 172_800, min_rows: 1_000_000, is_on: true, drops: true },
    });
  }, 120_000);
});
