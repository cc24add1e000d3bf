/** The archive of a deployment: its function, schedule, alarms and rights, and what is refused. */
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { describe, expect, test } from 'vitest';
import { Timewarp, type TimewarpArchiveOptions, TimewarpSource, TimewarpStore } from '../../infra/cdk.ts';
import example from '../../infra/config/example.ts';
import { parseConfiguration } from '../../infra/config/schema.ts';
import { FUNCTIONS_CONTEXT } from '../../infra/constructs/package-files.ts';
import { COMMON_METRIC_SERVICES } from '../../lambda/shared/metric-names.ts';
import { secretArn } from '../support/lambda-databases.ts';
import { placeholderFunctions, synthesize } from '../support/synthesize.ts';

type Statement = { Effect: string; Action: string | string[]; Resource: unknown; Condition?: object };
type Resources = Readonly<Record<string, { Properties: Record<string, unknown> }>>;

const HOT = { hot: '30d' };
const [node] = example.nodes;
const archived = (archive: object, table: object = { archive: HOT }): object => ({
  ...example,
  nodes: [{ ...node!, tables: [{ name: 'public.orders', ...table }] }],
  archive,
});

function variables(template: Template, name: 'Archiver' | 'Api'): Readonly<Record<string, unknown>> {
  const [found] = Object.entries(template.findResources('AWS::Lambda::Function') as Resources)
    .filter(([id]) => id.includes(`${name}Function`))
    .map(([, { Properties }]) => Properties.Environment as { Variables: Record<string, unknown> });
  return found!.Variables;
}

/** What a function may do beyond what every function may. */
function rights(template: Template, name: 'Archiver' | 'Api' = 'Archiver'): Statement[] {
  const [policy] = Object.entries(template.findResources('AWS::IAM::Policy') as Resources)
    .filter(([id]) => id.includes(`${name}Policy`))
    .map(([, { Properties }]) => Properties.PolicyDocument as { Statement: Statement[] });
  return policy!.Statement.filter(
    ({ Effect, Action }) => Effect === 'Allow' && !/^(logs|ec2):/.test([Action].flat()[0]!),
  );
}

describe('a configuration with an archive', () => {
  const { stacks } = synthesize(archived({ bucket: 'my-history', everyMinutes: 30 }));
  const app = Template.fromStack(stacks.app);

  test('has a function with time, memory and disk for files of 256 MB', () => {
    app.resourceCountIs('AWS::Lambda::Function', 6);
    app.hasResourceProperties('AWS::Lambda::Function', {
      ...{ Timeout: 900, MemorySize: 1769, EphemeralStorage: { Size: 1024 } },
      Environment: {
        Variables: Match.objectLike({
          PGTIMEWARP_ARCHIVE_URL: 's3://my-history/history',
          PGTIMEWARP_CATALOG_SIGNING: { 'Fn::Join': ['', ['glue/', { Ref: 'AWS::Region' }]] },
          PGTIMEWARP_CATALOG_WAREHOUSE: Match.anyValue(),
        }),
      },
    });
  });

  test('may read the secret of the writer, write and read below the prefix, and make tables of its nodes', () => {
    const found = rights(app);
    expect(found.map(({ Action }) => Action)).toEqual([
      'secretsmanager:GetSecretValue',
      ['s3:GetObject', 's3:PutObject'],
      ['glue:CreateDatabase', 'glue:CreateTable', 'glue:GetCatalog', 'glue:GetTable', 'glue:UpdateTable'],
    ]);
    const [secret, objects, glue] = found.map(({ Resource }) => JSON.stringify(Resource));
    expect(secret).toMatch(/WriterLogin/);
    expect(secret).not.toMatch(/shop-database|Reader|ClusterSecret/);
    expect(objects).toMatch(/:s3:::my-history\/history\/\*"/);
    expect(glue).toMatch(/:catalog".*:database\/shop".*:table\/shop\/\*"/);
    expect(JSON.stringify(app.toJSON())).not.toMatch(/s3:Delete|s3:\*|glue:\*|glue:Delete/);
  });

  test('lets the API read below the prefix, and nothing else of bucket and catalog', () => {
    const found = rights(app, 'Api');
    expect(found.map(({ Action }) => Action)).toEqual(['secretsmanager:GetSecretValue', 's3:GetObject']);
    const [secret, objects] = found.map(({ Resource }) => JSON.stringify(Resource));
    expect(secret).toMatch(/ReaderLogin/);
    expect(objects).toMatch(/:s3:::my-history\/history\/\*"/);
    const named = Object.keys(variables(app, 'Api')).filter((name) => /ARCHIVE|CATALOG/.test(name));
    expect(named).toEqual(['PGTIMEWARP_ARCHIVE_URL']);
    expect(variables(app, 'Api').PGTIMEWARP_ARCHIVE_URL).toBe('s3://my-history/history');
  });

  test('has a schedule, and alarms on metrics that the function reports', () => {
    Template.fromStack(stacks.schedules).hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(30 minutes)',
      Target: { Input: '{}' },
    });
    const monitoring = Template.fromStack(stacks.monitoring);
    for (const [MetricName, TreatMissingData] of [
      ['NodesNotArchived', 'breaching'],
      ['WorstDueUnitAgeInSeconds', 'ignore'],
    ] as const) {
      expect(COMMON_METRIC_SERVICES[MetricName]).toBe('archiver');
      monitoring.hasResourceProperties('AWS::CloudWatch::Alarm', {
        ...{ MetricName, TreatMissingData, Period: 1800 },
        Dimensions: [
          // other deployments of the account report metrics of the same names
          { Name: 'function_name', Value: { 'Fn::ImportValue': Match.stringLikeRegexp('Archiver') } },
          { Name: 'service', Value: 'archiver' },
        ],
      });
    }
    monitoring.hasResourceProperties('AWS::CloudWatch::Alarm', { Threshold: 43_200 });
  });

  test('tells the migrate function what is archived', () => {
    const [resource] = Object.values(app.findResources('AWS::CloudFormation::CustomResource') as Resources);
    const [{ tables }] = JSON.parse(resource!.Properties.Nodes as string) as [{ tables: object[] }];
    expect(tables).toMatchObject([{ archive: { hot: '30d', drop: false, minRows: null } }]);
  });

  test('whose catalog is another one gets no rights in Glue, and with a customer key may use it through S3', () => {
    const kmsKeyArn = 'arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555';
    const catalogUrl = 'https://catalog.example/iceberg';
    const other = synthesize(archived({ bucket: 'my-history', prefix: 'a/b', catalogUrl, kmsKeyArn }));
    const template = Template.fromStack(other.stacks.app);
    expect(rights(template).slice(1)).toMatchObject([
      { Action: ['s3:GetObject', 's3:PutObject'] },
      { Resource: kmsKeyArn, Condition: { StringLike: { 'kms:ViaService': 's3.*' } } },
    ]);
    expect(rights(template, 'Api').slice(1)).toMatchObject([
      { Action: 's3:GetObject' },
      {
        ...{ Action: 'kms:Decrypt', Resource: kmsKeyArn },
        Condition: { StringLike: { 'kms:ViaService': 's3.*' } },
      },
    ]);
    expect(JSON.stringify(template.toJSON())).toContain(
      '"PGTIMEWARP_CATALOG_URL":"https://catalog.example/iceberg"',
    );
  });

  test('with secrets by a convention reaches the tables of every node', () => {
    const byName = { ...archived({ bucket: 'my-history' }), sourceSecretPrefix: 'pgtimewarp/' };
    const template = Template.fromStack(synthesize(byName, { rules: true }).stacks.app);
    expect(JSON.stringify(rights(template).at(-1)?.Resource)).toMatch(/:database\/\*".*:table\/\*\/\*"/);
  });
});

test('without an archive the API has no right on any bucket, and refuses what is archived', () => {
  const app = Template.fromStack(synthesize(example).stacks.app);
  expect(rights(app, 'Api').map(({ Action }) => Action)).toEqual(['secretsmanager:GetSecretValue']);
  expect(Object.keys(variables(app, 'Api'))).not.toContain('PGTIMEWARP_ARCHIVE_URL');
  expect(JSON.stringify(app.toJSON())).not.toContain('s3:');
});

test.each([
  [
    'no archive',
    { ...(archived({}) as object), archive: null },
    /nodes\[0\]\.tables\[0\]\.archive: needs the archive/,
  ],
  [
    'hot as long as kept',
    archived({ bucket: 'b-1' }, { archive: { hot: '2160h' }, retention: '90d' }),
    /tables\[0\]\.archive: must be hot for a shorter time than the retention \(90d\)/,
  ],
  ['too often', archived({ bucket: 'b-1', everyMinutes: 5 }), /archive\.everyMinutes: must be at least 15/],
  ['no bucket', archived({ bucket: 's3://b' }), /archive\.bucket: must be the name of a bucket/],
])('refused: %s', (_, configuration, says) => {
  expect(() => parseConfiguration(configuration, 'of the test')).toThrow(says);
});

describe('Timewarp', () => {
  function history(archive?: Partial<TimewarpArchiveOptions>) {
    const app = new App({ context: { [FUNCTIONS_CONTEXT]: placeholderFunctions() } });
    const stack = new Stack(app, 'Mine');
    const encryption = BucketEncryption.KMS;
    const bucket = new Bucket(stack, 'Bucket', { encryption, encryptionKey: new Key(stack, 'Key') });
    const made = new Timewarp(stack, 'History', {
      ...{ vpc: new Vpc(stack, 'Vpc', { maxAzs: 2 }), store: TimewarpStore.serverless() },
      ...(archive === undefined ? {} : { archive: { bucket, ...archive } }),
    });
    const source = TimewarpSource.fromSecret(
      Secret.fromSecretCompleteArn(stack, 'Secret', secretArn('shop')),
    );
    return { stack, made, source };
  }
  const tables = ['public.orders', 'b'];

  test('archives the tables of a node, and one of them otherwise', () => {
    const { stack, made, source } = history({});
    made.observe('shop', source, {
      ...{ tables, archive: { hot: Duration.days(30) } },
      tableOptions: { b: { archive: { hot: Duration.hours(1), drop: true, minRows: 5 } } },
    });
    expect(made.archiverFunction).toBeDefined();
    const template = Template.fromStack(stack);
    expect(JSON.stringify(template.toJSON())).toMatch(
      /\\"archive\\":{\\"hot\\":\\"30d\\",\\"drop\\":false,\\"minRows\\":null}.*\\"archive\\":{\\"hot\\":\\"3600s\\",\\"drop\\":true,\\"minRows\\":5}/,
    );
    expect(rights(template).map(({ Action }) => Action)).toContainEqual([
      'kms:Decrypt',
      'kms:GenerateDataKey',
    ]);
  });

  test('without an archive, with a wrong one, or with a retention as short as the hot time it is refused', () => {
    const { made, source } = history();
    expect(made.archiverFunction).toBeUndefined();
    const archive = { hot: Duration.days(30) };
    expect(() => made.observe('shop', source, { tables, archive })).toThrow(/the deployment has no archive/);
    expect(() => history({ everyMinutes: 5 })).toThrow(/everyMinutes must be a whole number from 15 to 1440/);
    expect(() => history({ prefix: '/a' })).toThrow(/its prefix must be the name of a folder/);
    const other = history({});
    expect(() =>
      other.made.observe('shop', other.source, { tables, archive, retention: Duration.days(30) }),
    ).toThrow(/the archive of public\.orders must be hot for a shorter time/);
  });
});
