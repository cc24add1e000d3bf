/**
 * The API function as it is deployed answers through the archive: to the letter what `serve` answers, from a real bucket. A bucket that is
 * silent or refuses is an error with its reason, in time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseS3Url } from '../../../core/archive/object-store.ts';
import example from '../../../infra/config/example.ts';
import { apiEvent, type HttpAnswer } from '../../support/api-event.ts';
import { archiveTools } from '../../support/archive-tools.ts';
import {
  ARNS,
  deploymentEvent,
  type LambdaDatabases,
  lambdaDatabases,
} from '../../support/lambda-databases.ts';
import { muteProxy } from '../../support/mute-proxy.ts';
import { describeNeeding } from '../../support/needs.ts';
import { type LambdaEnvironment, startLambda } from '../../support/run-lambda.ts';
import { type Seaweed, startSeaweed } from '../../support/seaweed.ts';
import { type ServeProcess, startServe } from '../../support/serve.ts';
import { bundleFolder, type Synthesized, synthesizeWithCode } from '../../support/synthesize.ts';

const STEPS = [
  `INSERT INTO things (k, n) VALUES ('\u{1F600}', 'NaN'), ('long', 123456789012345678901234567890.000000000000001000)`,
  `UPDATE things SET n = 2.50, j = 'null' WHERE k = 'a'; UPDATE things SET n = 3 WHERE k = 'a'`,
  `DELETE FROM things WHERE k = 'zz'`,
  `UPDATE things SET k = 'moved' WHERE k = 'a'`,
  'TRUNCATE things',
  `INSERT INTO things (k, n) VALUES ('a', 4)`,
];
const KEYS = ['a', 'zz', 'moved', 'long', '\u{1F600}', 'none'];
/** API Gateway ends a request after 30 s, the function after 29. */
const REQUEST_MS = 29_000;

describeNeeding(archiveTools(), 'the HTTP function with an archive', () => {
  let synthesized: Synthesized;
  let seaweed: Seaweed;
  let databases: LambdaDatabases;
  let serve: ServeProcess;
  /** The time of the horizon after each step. */
  let instants: string[];

  beforeAll(async () => {
    seaweed = await startSeaweed();
    synthesized = await synthesizeWithCode({ ...example, archive: { bucket: 'arch' } });
    databases = await lambdaDatabases(
      `CREATE TABLE things (k text PRIMARY KEY, n numeric, j json);
       INSERT INTO things VALUES ('a', 1.10, '{"a": "\\u0000"}'), ('zz', NULL, NULL)`,
    );
    await using migrate = await start('Migrate');
    await using poller = await start('Poller');
    await using archiver = await startLambda(bundleFolder(synthesized, 'Archiver'), {
      ...databases.functionEnv('Archiver'),
      ...seaweed.env,
    });
    const archive = { hot: '1s', drop: true, minRows: 1 };
    const node = { node: databases.node, sourceSecretArn: ARNS.source, plugin: 'pgoutput' };
    const state = { nodes: [{ ...node, tables: [{ name: 'things', archive }] }] };
    await migrate.invoke(deploymentEvent(databases.aws, 'Create', state), 60_000);
    expect(databases.aws.cloudFormation.at(-1)?.Status, migrate.output()).toBe('SUCCESS');
    instants = [];
    for (const step of STEPS) {
      await databases.source.query(step);
      await poller.invoke({}, 60_000);
      instants.push(await horizon());
    }
    await drop(poller, archiver);
    // its runs reach no source, so that the horizon in its answers stays where it is
    serve = await startServe(['--every', '1d'], {
      ...{ ...databases.env, ...seaweed.env },
      PGTIMEWARP_SOURCE_URL: 'postgres://nobody@127.0.0.1:1/nothing',
    });
  }, 400_000);

  afterAll(async () => {
    for (const each of [serve, databases, seaweed]) await each?.[Symbol.asyncDispose]();
  });

  function start(name: 'Migrate' | 'Poller'): Promise<LambdaEnvironment> {
    return startLambda(bundleFolder(synthesized, name), databases.functionEnv(name));
  }

  /** @param env null: a deployment without an archive */
  function startApi(env: Readonly<Record<string, string>> | null = {}): Promise<LambdaEnvironment> {
    return startLambda(bundleFolder(synthesized, 'Api'), {
      ...databases.functionEnv('Api'),
      ...(env === null ? {} : { ...seaweed.env, ...env }),
    });
  }

  async function horizon(): Promise<string> {
    const { rows } = await databases.store.query<{ ts: string }>(
      `SELECT to_char(applied_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts FROM pgtimewarp.wal_checkpoints`,
    );
    return rows[0]!.ts;
  }

  /** Runs until the history of all steps is in the archive alone. */
  async function drop(poller: LambdaEnvironment, archiver: LambdaEnvironment): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      await poller.invoke({}, 60_000);
      await sleep(400);
      await poller.invoke({}, 60_000);
      await archiver.invoke({}, 120_000);
      await poller.invoke({}, 60_000);
      const { rows } = await databases.store.query<{ done: boolean | null }>(
        `SELECT bool_and(a.before_lsn > (SELECT max(c.valid_from_lsn) FROM pgtimewarp.row_changes AS c))
                  AND EXISTS (SELECT FROM pgtimewarp.relation_ranges AS r WHERE r.is_base AND r.state = 'attached') AS done
           FROM pgtimewarp.archive_cutoffs AS a`,
      );
      if (rows[0]?.done === true) return;
    }
    throw new Error('nothing was dropped');
  }

  const tablePath = (): string => `/v1/nodes/${databases.node}/tables/public.things`;
  /** A question that only the archive can answer. */
  const archivedPath = (): string => `${tablePath()}/asof?pk=a&at=${instants[1]}`;

  function ask(api: LambdaEnvironment, path: string, remainingMs = REQUEST_MS): Promise<HttpAnswer> {
    return api.invoke(apiEvent(path), remainingMs) as Promise<HttpAnswer>;
  }

  test('answers to the letter as serve does', async () => {
    await using api = await startApi();
    const paths = KEYS.flatMap((key) => {
      const pk = `pk=${encodeURIComponent(key)}`;
      const [, second, third] = instants;
      return [
        ...instants.map((at) => `asof?${pk}&at=${at}`),
        `asof?${pk}&at=${second}&numbers=string`,
        `diff?${pk}`,
        `diff?${pk}&from=${second}&to=${third}`,
        `diff?${pk}&to=${instants.at(-1)}&limit=2`,
      ];
    });
    const ofManyRows = [
      ...instants.map((at) => `rows?at=${at}`),
      `rows?at=${instants[1]}&limit=1`,
      `changes?from=${instants[0]}&to=${instants.at(-1)}`,
      `changes?net=true&from=${instants[0]}&to=${instants[3]}`,
      `find?where.k=a&at=${instants[1]}`,
    ];
    let archived = 0;
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ keys: KEYS });
    const asked = [
      ...[...paths, ...ofManyRows].map((path) => [path, 'GET', {}, undefined] as const),
      ...instants.map((at) => [`asof:batch?at=${at}`, 'POST', headers, body] as const),
    ];
    for (const [path, method, sent, carried] of asked) {
      const target = `${tablePath()}/${path}`;
      const ours = (await api.invoke(apiEvent(target, method, sent, carried), REQUEST_MS)) as HttpAnswer;
      const theirs = await fetch(`${serve.url}${target}`, {
        ...{ method, headers: sent },
        ...(carried === undefined ? {} : { body: carried }),
      });
      expect([ours.statusCode, ours.body], `${path} ${api.output()}`).toEqual([
        theirs.status,
        await theirs.text(),
      ]);
      for (const name of ['content-type', 'cache-control', 'etag'])
        expect(ours.headers[name] ?? null, `${path} ${name}`).toBe(theirs.headers.get(name));
      if (ours.body.includes('"tier":"archive"')) archived += 1;
    }
    expect(archived).toBeGreaterThan(4 * KEYS.length);
  }, 300_000);

  test('without an archive in its deployment it refuses what it could answer', async () => {
    await using api = await startApi(null);
    const { statusCode, body } = await ask(api, archivedPath());
    expect([statusCode, body]).toEqual([400, expect.stringContaining('error:ARCHIVED')]);
    expect(await ask(api, `${tablePath()}/asof?pk=a`)).toMatchObject({ statusCode: 200 });
  }, 120_000);

  test('a lost connection is replaced in the time of the request', async () => {
    await using proxy = await muteProxy(seaweed.s3Url, '.parquet');
    await using api = await startApi({ AWS_ENDPOINT_URL_S3: proxy.url });
    expect(await ask(api, archivedPath()), api.output()).toMatchObject({
      statusCode: 200,
      body: expect.stringContaining('"tier":"archive"'),
    });
    expect(proxy.muted()).toBe(1);
  }, 120_000);

  test('connections that were forgotten while the environment slept are not used', async () => {
    await using proxy = await muteProxy(seaweed.s3Url, 'never sent');
    await using api = await startApi({ AWS_ENDPOINT_URL_S3: proxy.url });
    expect(await ask(api, archivedPath()), api.output()).toMatchObject({ statusCode: 200 });
    proxy.forget();
    await sleep(5_500);
    const started = performance.now();
    expect(await ask(api, archivedPath()), api.output()).toMatchObject({ statusCode: 200 });
    expect(performance.now() - started, 'a silent connection counts as lost after 4 s').toBeLessThan(4_000);
  }, 120_000);

  test('a bucket that does not answer is an error in time, and the environment goes on', async () => {
    await using proxy = await muteProxy(seaweed.s3Url, '.parquet', 1);
    await using api = await startApi({ AWS_ENDPOINT_URL_S3: proxy.url });
    const started = performance.now();
    expect(await ask(api, archivedPath(), 8_000), api.output()).toMatchObject(unavailable());
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(proxy.muted()).toBe(1);
    expect(api.output()).toMatch(/ARCHIVE_UNREACHABLE.*The bucket did not give in time .*\.parquet/);
    expect(await ask(api, archivedPath()), api.output()).toMatchObject({ statusCode: 200 });
  }, 120_000);

  test('a bucket that refuses is an error with its reason in the log', async () => {
    await using api = await startApi({ AWS_SECRET_ACCESS_KEY: 'another' });
    expect(await ask(api, archivedPath()), api.output()).toMatchObject(unavailable());
    expect(api.output()).toMatch(/ARCHIVE_UNREACHABLE.*The bucket refused s3:.*SignatureDoesNotMatch/);
    expect(api.output()).toContain('"status":403');
  }, 120_000);

  test('an answer comes in time also if the store needs longer', async () => {
    await using api = await startApi();
    expect(await ask(api, archivedPath()), api.output()).toMatchObject({ statusCode: 200 });
    const blocker = await databases.connect('store');
    await blocker.query('BEGIN; LOCK TABLE pgtimewarp.archive_files IN ACCESS EXCLUSIVE MODE');
    try {
      const started = performance.now();
      expect(await ask(api, archivedPath(), 8_000), api.output()).toMatchObject({ statusCode: 503 });
      expect(performance.now() - started).toBeLessThan(8_000);
    } finally {
      await blocker.query('ROLLBACK');
    }
    expect(await ask(api, archivedPath()), api.output()).toMatchObject({ statusCode: 200 });
  }, 120_000);

  test('a file that is not what was written makes an as-of unknown and a diff fail', async () => {
    const { rows } = await databases.store.query<{ path: string }>(
      'SELECT path FROM pgtimewarp.archive_files',
    );
    const client = new S3Client({
      ...{ endpoint: seaweed.s3Url, forcePathStyle: true, region: 'us-east-1' },
      credentials: {
        accessKeyId: seaweed.env.AWS_ACCESS_KEY_ID!,
        secretAccessKey: seaweed.env.AWS_SECRET_ACCESS_KEY!,
      },
    });
    for (const { path } of rows) {
      const { bucket, key } = parseS3Url(path);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.alloc(500_000) }));
    }
    await using api = await startApi();
    const { statusCode, body } = await ask(api, archivedPath());
    expect([statusCode, JSON.parse(body)], api.output()).toMatchObject([
      409,
      { status: 'unknown', reason: 'archive_damaged', final: false },
    ]);
    expect(await ask(api, `${tablePath()}/diff?pk=a`)).toMatchObject({ statusCode: 500 });
    expect(api.output()).toMatch(/ARCHIVE_DAMAGED.*\.parquet is not what was written/);
  }, 120_000);

  function unavailable(): object {
    return {
      statusCode: 503,
      headers: { 'retry-after': '5' },
      body: expect.stringContaining('"type":"urn:pgtimewarp:error:ARCHIVE_UNREACHABLE"'),
    };
  }
});
