/**
 * A store that can only be read: a standby, by its address or after a failover. Commands that write end with one code,
 * questions are answered, and doctor reports it. Transactions that are read-only by default do not prevent a run from writing.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toError } from '../../../cli/to-error.ts';
import type { Diagnosis } from '../../../core/doctor/check.ts';
import { init } from '../../../core/setup/init.ts';
import { track } from '../../../core/track.ts';
import example from '../../../infra/config/example.ts';
import { startAwsStub } from '../../support/aws-stub.ts';
import { runCommand } from '../../support/command.ts';
import { pasteRemedy, troubles, verdicts } from '../../support/doctored.ts';
import { secretArn } from '../../support/lambda-databases.ts';
import { type OwnSource, ownSource } from '../../support/own-source.ts';
import { startLambda } from '../../support/run-lambda.ts';
import { type Standby, startStandby } from '../../support/standby.ts';
import { bundleFolder, synthesizeWithCode } from '../../support/synthesize.ts';
import { queryOnce } from '../../support/test-client.ts';
import { trackedNode } from '../../support/tracked-node.ts';

const WRITING: readonly (readonly string[])[] = [
  ['poll'],
  ['poll', '--max-seconds', '5'],
  ['track', 'parts'],
  ['untrack', 'orders'],
  ['untrack', 'orders', '--purge'],
  ['rebaseline', 'orders'],
  ['rebaseline'],
  ['retention', 'set', '1h', 'orders'],
  ['retention', 'run'],
  ['skip', '--lsn', '0/1'],
  ['release-slot'],
  ['deinit'],
  ['init', '--plugin', 'pgoutput', '--node', 'another'],
];

describe('a store that is a standby', () => {
  let own: OwnSource;
  let standby: Standby;
  let primary: { sourceUrl: string; storeUrl: string; node: string };

  beforeAll(async () => {
    own = await ownSource({ plugin: 'pgoutput' });
    await own.server.createDatabase('history');
    primary = { ...own.urls, storeUrl: own.server.url('history'), node: 'followed' };
    await own.sql('CREATE TABLE parts (id int PRIMARY KEY)');
    await init({ ...primary, plugin: 'pgoutput', slotName: null, version: 'test' });
    const orders = { table: { schema: 'public', name: 'orders' }, exclude: [], retention: null };
    await track({ ...primary, ...orders, baseline: true });
    standby = await startStandby({ ...own, urls: { ...own.urls, sourceUrl: primary.storeUrl } });
    await standby.catchUp();
  }, 180_000);

  afterAll(async () => {
    await standby?.[Symbol.asyncDispose]();
    await own?.[Symbol.asyncDispose]();
  });

  const there = () => ({ ...primary, storeUrl: standby.url });
  /** What a command could leave behind on the source. */
  const left = async () =>
    (
      await own.sql(
        `SELECT slot_name AS name FROM pg_replication_slots
         UNION ALL SELECT format('%s: %s', pubname, tablename) FROM pg_publication_tables
         UNION ALL SELECT pubname FROM pg_publication ORDER BY name`,
      )
    ).rows;

  test.each(WRITING.map((args) => [args.join(' '), args] as const))(
    '%s: STORE_READ_ONLY',
    async (_, args) => {
      const before = await left();
      const error = toError(await runCommand(args, there()).catch((thrown: unknown) => thrown));
      expect(error).toMatchObject({ code: 'STORE_READ_ONLY', facts: { side: 'store' } });
      expect(await left()).toEqual(before);
    },
  );

  test.each([
    ['asof', 'orders', '--pk', '1'],
    ['asof', 'orders', '--pk', '1', '--at', '0/1000000'],
    ['diff', 'orders', '--pk', '1'],
    ['status'],
    ['events'],
    ['migrate'],
  ])('%s %s %s %s is answered', async (...args) => {
    const [here, elsewhere] = [await ask(args, primary), await ask(args, there())];
    expect(elsewhere).toEqual(here);
  });

  async function ask(args: readonly string[], where: typeof primary): Promise<unknown> {
    const { code, stdout } = await runCommand([...args, '--json'], where);
    return { code, answer: stdout.replace(/"(?:now|requested)":"[^"]*"|"lag_\w+":\d+/g, '') };
  }

  test('the doctor function reports it once, and writes nothing', async () => {
    await using aws = await startAwsStub();
    const [store, source] = [secretArn('store'), secretArn('source')];
    aws.secrets.set(store, JSON.stringify({ url: standby.url }));
    aws.secrets.set(source, JSON.stringify({ url: primary.sourceUrl }));
    const bundle = bundleFolder(await synthesizeWithCode(example), 'Doctor');
    await using doctor = await startLambda(bundle, {
      ...aws.env,
      PGTIMEWARP_STORE_SECRET_ARN: store,
      PGTIMEWARP_SOURCE_SECRET_ARNS: JSON.stringify({ [primary.node]: source }),
      PGTIMEWARP_TOPIC_ARN: 'arn:aws:sns:eu-central-1:123456789012:alerts',
    });
    for (let time = 0; time < 2; time++) {
      const { nodes } = (await doctor.invoke({}, 60_000)) as { nodes: (Diagnosis & { node: string })[] };
      const wrong = nodes.map(({ node, status, checks }) => ({
        ...{ node, status },
        checks: checks.filter((check) => check.status !== 'ok').map(({ code }) => code),
      }));
      expect(wrong, doctor.output()).toEqual([
        { node: primary.node, status: 'fail', checks: ['store_writable'] },
      ]);
    }
    expect(aws.published.map((message) => message.get('Subject'))).toEqual([
      `pgtimewarp FAIL: ${primary.node}`,
    ]);
    expect(aws.published[0]!.get('Message')).toContain('store_writable');
    expect(doctor.output()).not.toMatch(/"level":"ERROR"/);
  }, 240_000);

  test('doctor reports it, and passes after the promotion', async () => {
    const found = await troubles(there());
    expect(verdicts(found)).toEqual(['fail store_writable']);
    await pasteRemedy(there(), found, 'store_writable', 1);
    expect(await troubles(there())).toEqual([]);
    expect(await runCommand(['poll'], there())).toMatchObject({ code: 0 });
  });
});

test('transactions that are read-only by default: runs write, and doctor warns', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE orders (id int PRIMARY KEY)',
    track: ['orders'],
  });
  const database = new URL(node.storeUrl).pathname.slice(1);
  await node.store.query(`ALTER DATABASE "${database}" SET default_transaction_read_only = on`);
  await node.source.query('INSERT INTO orders VALUES (1)');
  expect(await node.poll()).toMatchObject({ outcome: 'done', changes: 1 });
  const found = await troubles(node);
  expect(verdicts(found)).toEqual(['warn store_writable']);
  await pasteRemedy(node, found, 'store_writable');
  expect(await troubles(node)).toEqual([]);
  expect((await queryOnce(node.storeUrl, 'SHOW default_transaction_read_only')).rows).toEqual([
    { default_transaction_read_only: 'off' },
  ]);
});
