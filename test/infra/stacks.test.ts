/** Properties that the templates must have, whatever code produces them. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, CfnResource, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import example from '../../infra/config/example.ts';
import { parseConfiguration } from '../../infra/config/schema.ts';
import { cdkContext, type Synthesized, synthesize } from '../support/synthesize.ts';

type Resource = {
  Type: string;
  Properties: Record<string, unknown>;
  DeletionPolicy?: string;
  DependsOn?: string[];
};
type Statement = { Action: string | string[]; Effect: string; Resource: unknown };

let synthesized: Synthesized;
let store: Template;
let app: Template;
let schedules: Template;
let httpApi: Template;
let monitoring: Template;

beforeAll(() => {
  synthesized = synthesize(example);
  const { stacks } = synthesized;
  [store, app, schedules, httpApi, monitoring] = [
    stacks.store,
    stacks.app,
    stacks.schedules,
    stacks.httpApi!,
    stacks.monitoring,
  ].map((stack) => Template.fromStack(stack)) as [Template, Template, Template, Template, Template];
});

function resources(template: Template, type: string): [id: string, resource: Resource][] {
  return Object.entries(template.findResources(type)) as [string, Resource][];
}

describe('functions', () => {
  test('there are five, and nothing else that runs code', () => {
    const ids = resources(app, 'AWS::Lambda::Function').map(([id]) => id.replace(/Function.*/, ''));
    expect(ids.sort()).toEqual(['Api', 'Doctor', 'Maintenance', 'Migrate', 'Poller']);
    for (const other of [store, schedules, httpApi, monitoring])
      other.resourceCountIs('AWS::Lambda::Function', 0);
  });

  test('all use Node 24 on arm64, are in the private subnets and have a log group that expires', () => {
    for (const [, { Properties }] of resources(app, 'AWS::Lambda::Function')) {
      expect(Properties).toMatchObject({
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        VpcConfig: { SubnetIds: example.vpc.privateSubnetIds, SecurityGroupIds: [expect.anything()] },
        LoggingConfig: { LogGroup: { Ref: expect.any(String) } },
      });
    }
    for (const [, { Properties }] of resources(app, 'AWS::Logs::LogGroup')) {
      expect(Properties.RetentionInDays).toBe(30);
    }
  });

  test('the API is replaced after the migration has succeeded', () => {
    const [, api] = resources(app, 'AWS::Lambda::Function').find(([id]) => id.startsWith('Api'))!;
    const [[databases]] = resources(app, 'AWS::CloudFormation::CustomResource') as [[string, Resource]];
    expect(api.DependsOn).toContain(databases);
  });

  test('no invocation is repeated, old events are dropped, and a failed run sends no message by itself', () => {
    const configurations = resources(app, 'AWS::Lambda::EventInvokeConfig');
    expect(configurations).toHaveLength(5);
    for (const [, { Properties }] of configurations) {
      expect(Properties).toMatchObject({
        MaximumRetryAttempts: 0,
        MaximumEventAgeInSeconds: 60,
      });
      expect(Properties.DestinationConfig).toBeUndefined(); // otherwise a node that is down would send a mail every minute
    }
  });

  test('environments contain ARNs but no secrets', () => {
    for (const [, { Properties }] of resources(app, 'AWS::Lambda::Function')) {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      expect(JSON.stringify(Variables)).not.toMatch(/resolve:secretsmanager|password/i);
    }
  });
});

describe('rights', () => {
  const ALL = [
    'ec2:AssignPrivateIpAddresses',
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:UnassignPrivateIpAddresses',
    'logs:CreateLogStream',
    'logs:PutLogEvents',
    'secretsmanager:GetSecretValue',
  ];
  const PUBLISHING = ['kms:Decrypt', 'kms:GenerateDataKey', 'sns:Publish'];

  test.each(['Api', 'Doctor', 'Maintenance', 'Migrate', 'Poller'])('%s has exactly these rights', (name) => {
    const allowed = statements(name).filter(({ Effect }) => Effect === 'Allow');
    const wanted = name === 'Doctor' ? [...ALL, ...PUBLISHING] : ALL;
    expect([...new Set(allowed.flatMap(({ Action }) => Action))].sort()).toEqual(wanted.sort());
    const everywhere = allowed.filter(({ Resource }) => JSON.stringify(Resource).includes('"*"'));
    expect(everywhere.flatMap(({ Action }) => Action).every((action) => action.startsWith('ec2:'))).toBe(
      true,
    );
  });

  test('only functions that read a source may log in to it by IAM, and only as that user', () => {
    const iamUserArn = 'arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABC123/timewarp';
    const { stacks } = synthesize({ ...example, nodes: [{ ...example.nodes[0], iamUserArn }] });
    const allowed = resources(Template.fromStack(stacks.app), 'AWS::IAM::Policy')
      .filter(([, policy]) => JSON.stringify(policy).includes('rds-db:connect'))
      .map(([id, policy]) => [
        id.replace(/Policy.*/, ''),
        JSON.stringify(policy).includes(`"Resource":"${iamUserArn}"`),
      ]);
    expect(allowed.sort()).toEqual([
      ['Doctor', true],
      ['Maintenance', true],
      ['Migrate', true],
      ['Poller', true],
    ]);
  });

  test('with a customer key, functions may decrypt what Secrets Manager reads for them; they get the address of the database', () => {
    const key = 'arn:aws:kms:eu-central-1:210987654321:key/0a1b2c3d-0000-1111-2222-333344445555';
    const [node] = example.nodes;
    const configuration = {
      ...example,
      kmsKeyArns: [key],
      nodes: [{ ...node!, database: { host: 'db.example', dbname: 'shop' } }],
    };
    const template = Template.fromStack(synthesize(configuration).stacks.app);
    const functions = resources(template, 'AWS::Lambda::Function');
    const decrypting = resources(template, 'AWS::IAM::Policy').flatMap(([, { Properties }]) =>
      (Properties.PolicyDocument as { Statement: Statement[] }).Statement.filter(
        ({ Action, Resource }) => Action === 'kms:Decrypt' && Resource === key,
      ),
    );
    expect(decrypting).toHaveLength(functions.length);
    for (const each of decrypting)
      expect(each).toMatchObject({ Condition: { StringLike: { 'kms:ViaService': 'secretsmanager.*' } } });
    const said = `${node!.sourceSecretArn}#host=db.example&dbname=shop`;
    for (const [id, { Properties }] of functions)
      if (/^(Poller|Doctor)/.test(id)) expect(JSON.stringify(Properties.Environment)).toContain(said);
    const [[, databases]] = resources(template, 'AWS::CloudFormation::CustomResource') as [
      [string, Resource],
    ];
    expect(databases.Properties.Nodes).toContain(said);
    expect(databases.Properties.Nodes).not.toContain('"database"');
  });

  test('no role has a managed policy', () => {
    for (const template of [app, schedules]) {
      for (const [, { Properties }] of resources(template, 'AWS::IAM::Role')) {
        expect(Properties.ManagedPolicyArns).toBeUndefined();
      }
    }
  });

  test('the API may read one secret, that of its own login', () => {
    const [secret] = statements('Api').filter(({ Action }) => Action === 'secretsmanager:GetSecretValue');
    expect(JSON.stringify(secret?.Resource)).toMatch(/ReaderLogin/);
    expect(JSON.stringify(secret?.Resource)).not.toMatch(/shop-database|WriterLogin|Cluster/);
  });

  test('maintenance may read the secrets of owner, writer and sources, and no schedule may invoke it', () => {
    const [secrets] = statements('Maintenance').filter(
      ({ Action }) => Action === 'secretsmanager:GetSecretValue',
    );
    const text = JSON.stringify(secrets?.Resource);
    for (const each of [/ClusterSecret/, /WriterLogin/, /shop-database/]) expect(text).toMatch(each);
    expect(text).not.toMatch(/ReaderLogin/);
    expect(JSON.stringify(schedules.toJSON())).not.toMatch(/Maintenance/);
  });

  test('schedules may invoke the poller and the doctor', () => {
    const actions = resources(schedules, 'AWS::IAM::Policy').flatMap(([, { Properties }]) =>
      (Properties.PolicyDocument as { Statement: Statement[] }).Statement.map(({ Action }) => Action),
    );
    expect([...new Set(actions)]).toEqual(['lambda:InvokeFunction']);
  });

  function statements(name: string): Statement[] {
    return resources(app, 'AWS::IAM::Policy')
      .filter(([id]) => id.startsWith(name))
      .flatMap(([, { Properties }]) => (Properties.PolicyDocument as { Statement: Statement[] }).Statement);
  }
});

describe('schedules', () => {
  test('each node has one at its rate, the doctor has one, and no invocation is repeated', () => {
    schedules.resourceCountIs('AWS::Scheduler::Schedule', 2);
    schedules.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(1 minute)',
      Target: {
        Input: '{"node":"shop"}',
        RetryPolicy: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 },
      },
    });
    schedules.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(1 hour)',
      Target: { Input: '{}', RetryPolicy: { MaximumRetryAttempts: 0 } },
    });
  });
});

describe('HTTP API', () => {
  test('every route needs authorisation', () => {
    const routes = resources(httpApi, 'AWS::ApiGatewayV2::Route');
    expect(routes.length).toBeGreaterThan(0);
    for (const [, { Properties }] of routes) expect(Properties.AuthorizationType).toBe('AWS_IAM');
  });

  test('with JWT every route names the authorizer', () => {
    const jwt = { kind: 'jwt', issuer: 'https://issuer.example', audience: ['history'] };
    const { stacks } = synthesize({ ...example, api: { authorization: jwt } });
    const routes = resources(Template.fromStack(stacks.httpApi!), 'AWS::ApiGatewayV2::Route');
    for (const [, { Properties }] of routes) {
      expect(Properties).toMatchObject({ AuthorizationType: 'JWT', AuthorizerId: expect.anything() });
    }
  });

  test('its ARN for policies ends where method and path begin', () => {
    const { Value } = httpApi.findOutputs('ExecutionArn').ExecutionArn as { Value: unknown };
    expect(JSON.stringify(Value)).toMatch(/execute-api:.*"Ref":"HttpApi\w+".*\/\$default/);
  });

  test('without an API there is no function, stack or alarm for it', () => {
    const { stacks } = synthesize({ ...example, api: null });
    expect(stacks.httpApi).toBeNull();
    const ids = resources(Template.fromStack(stacks.app), 'AWS::Lambda::Function').map(([id]) => id);
    expect(ids).toHaveLength(4);
    expect(JSON.stringify(Template.fromStack(stacks.app).toJSON())).not.toMatch(/"Api/);
    const alarms = resources(Template.fromStack(stacks.monitoring), 'AWS::CloudWatch::Alarm');
    expect(alarms.filter(([id]) => /api/i.test(id))).toEqual([]);
    expect(JSON.stringify(Template.fromStack(stacks.monitoring).toJSON())).not.toMatch(/ApiGateway/);
  });

  test('the number of questions at a time is limited, and the claim that names tables is passed on', () => {
    const jwt = {
      kind: 'jwt',
      issuer: 'https://issuer.example',
      audience: ['history'],
      tablesClaim: 'tables',
    };
    const { stacks } = synthesize({ ...example, api: { authorization: jwt, concurrency: 50 } });
    const [, { Properties }] = resources(Template.fromStack(stacks.app), 'AWS::Lambda::Function').find(
      ([id]) => id.startsWith('Api'),
    )!;
    expect(Properties.ReservedConcurrentExecutions).toBe(50);
    expect(Properties.Environment).toMatchObject({ Variables: { PGTIMEWARP_TABLES_CLAIM: 'tables' } });
  });

  test('requests are logged', () => {
    httpApi.hasResourceProperties('AWS::ApiGatewayV2::Stage', { AccessLogSettings: Match.anyValue() });
  });
});

describe('store', () => {
  test('a new one is encrypted, protected and private, and accepts TLS only', () => {
    store.hasResourceProperties('AWS::RDS::DBCluster', {
      StorageEncrypted: true,
      DeletionProtection: true,
      ServerlessV2ScalingConfiguration: { MinCapacity: 0.5, MaxCapacity: 2 },
    });
    store.hasResourceProperties('AWS::RDS::DBInstance', { PubliclyAccessible: false });
    store.hasResourceProperties('AWS::RDS::DBClusterParameterGroup', {
      Parameters: { 'rds.force_ssl': '1' },
    });
    const [[, cluster]] = resources(store, 'AWS::RDS::DBCluster') as [[string, Resource]];
    expect(cluster.DeletionPolicy).toBe('Snapshot');
  });

  test('its three secrets are generated and rotated; only the functions and rotations reach it', () => {
    const secrets = resources(store, 'AWS::SecretsManager::Secret');
    expect(secrets).toHaveLength(3);
    for (const [, { Properties }] of secrets) expect(Properties.GenerateSecretString).toBeDefined();
    const rotations = resources(store, 'AWS::SecretsManager::RotationSchedule');
    expect(rotations).toHaveLength(3);
    for (const [, { Properties }] of rotations) expect(Properties.RotateImmediatelyOnUpdate).toBe(false);
    for (const [, { Properties }] of resources(store, 'AWS::EC2::SecurityGroupIngress')) {
      expect(Properties.SourceSecurityGroupId).toBeDefined();
      expect(Properties.CidrIp).toBeUndefined();
    }
  });

  test('has the requested version of Aurora', () => {
    const versions = ['16.13', '18.6'].map((engineVersion) => {
      const { stacks } = synthesize({ ...example, store: { ...example.store, engineVersion } });
      const template = Template.fromStack(stacks.store);
      const [[, cluster]] = resources(template, 'AWS::RDS::DBCluster') as [[string, Resource]];
      const [[, group]] = resources(template, 'AWS::RDS::DBClusterParameterGroup') as [[string, Resource]];
      return [cluster.Properties.EngineVersion, group.Properties.Family];
    });
    expect(versions).toEqual([
      ['16.13', 'aurora-postgresql16'],
      ['18.6', 'aurora-postgresql18'],
    ]);
  });

  test('the CDK does not know the default version as withdrawn', () => {
    const file = readFileSync('node_modules/aws-cdk-lib/aws-rds/lib/cluster-engine.d.ts', 'utf8');
    const { engineVersion } = parseConfiguration({ ...example, store: { kind: 'new' } }, 'of the test')
      .store as { engineVersion: string };
    const name = `VER_${engineVersion.replace('.', '_')}`;
    const [, comment = ''] =
      file.match(new RegExp(`/\\*\\*([^/]*)\\*/\\s+static readonly ${name}: Aurora`)) ?? [];
    expect(comment).toContain(`"${engineVersion}"`);
    expect(comment).not.toContain('@deprecated');
  });

  test("without rotation no function changes passwords, for regions without AWS's application", () => {
    const { stacks } = synthesize(
      { ...example, store: { kind: 'new', rotationDays: null } },
      { rules: true },
    );
    const template = Template.fromStack(stacks.store);
    template.resourceCountIs('AWS::SecretsManager::Secret', 3);
    template.resourceCountIs('AWS::SecretsManager::RotationSchedule', 0);
    template.resourceCountIs('AWS::Serverless::Application', 0);
  });

  test('interface endpoints admit the functions and the rotations', () => {
    const endpointSecurityGroupIds = ['sg-0123456789abcdef0', 'sg-0fedcba9876543210'];
    const { stacks } = synthesize({ ...example, vpc: { ...example.vpc, endpointSecurityGroupIds } });
    const rules = resources(Template.fromStack(stacks.store), 'AWS::EC2::SecurityGroupIngress')
      .map(([, { Properties }]) => Properties)
      .filter(({ FromPort }) => FromPort === 443)
      .map(({ GroupId, SourceSecurityGroupId }) => `${GroupId} ${JSON.stringify(SourceSecurityGroupId)}`);
    for (const group of endpointSecurityGroupIds) {
      for (const source of ['Clients', 'Rotations']) {
        expect(rules).toContainEqual(expect.stringMatching(new RegExp(`^${group} .*"${source}`)));
      }
    }
    expect(rules).toHaveLength(4);
  });

  test('an existing one is used through its secrets, and no cluster is made', () => {
    const arn = (name: string): string =>
      `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}-AbCdEf`;
    const existing = {
      kind: 'existing',
      ownerSecretArn: arn('owner'),
      writerSecretArn: arn('writer'),
      readerSecretArn: arn('reader'),
    };
    const { stacks } = synthesize({ ...example, store: existing });
    Template.fromStack(stacks.store).resourceCountIs('AWS::RDS::DBCluster', 0);
    Template.fromStack(stacks.app).hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ PGTIMEWARP_STORE_SECRET_ARN: arn('reader') }) },
    });
  });
});

describe('logs', () => {
  const days = {
    default: 14,
    poller: 1,
    api: 3,
    doctor: 5,
    migrate: 7,
    maintenance: 90,
    rotation: 365,
    requests: 731,
  };

  test('each log group has the days configured for it, and each function writes only to its own', () => {
    const { stacks } = synthesize({ ...example, functions: { ...example.functions, logDays: days } });
    const seen = [stacks.store, stacks.app, stacks.httpApi!].flatMap((stack) =>
      resources(Template.fromStack(stack), 'AWS::Logs::LogGroup').map(([id, { Properties }]) => [
        id.replace(/(Cluster|Logs).*|[0-9A-F]{8}$/, ''),
        Properties.RetentionInDays,
      ]),
    );
    expect(seen.sort()).toEqual(
      [
        ['', 365],
        ['', 365],
        ['', 365],
        ['AccessLog', 731],
        ...Object.entries(days)
          .slice(1, 6)
          .map(([name, count]) => [name[0]!.toUpperCase() + name.slice(1), count]),
      ].sort(),
    );
  });

  test('a rotation writes to the log group that is made for it', () => {
    const groups = resources(store, 'AWS::Logs::LogGroup').map(
      ([, { Properties }]) => Properties.LogGroupName,
    );
    const functions = resources(store, 'AWS::Serverless::Application').map(
      ([, { Properties }]) => (Properties.Parameters as { functionName: string }).functionName,
    );
    expect(groups.sort()).toEqual(functions.map((name) => `/aws/lambda/${name}`).sort());
    expect(functions).toHaveLength(3);
  });

  test('groups without a setting have the default', () => {
    const { functions } = parseConfiguration(
      { ...example, functions: { logDays: { api: 3 } } },
      'of the test',
    );
    expect(functions.logDays).toMatchObject({ api: 3, poller: 30, maintenance: 30, requests: 30 });
  });
});

test('the stacks have the outputs that the guide names', () => {
  const guide = readFileSync('docs/aws.md', 'utf8');
  const named = [
    ...[...guide.matchAll(/pgtimewarp-([\w-]+)\.(\w+) = /g)].map(([, stack, name]) => [stack, name]),
    ...[...guide.matchAll(/output (pgtimewarp-)([\w-]+) (\w+)/g)].map(([, , stack, name]) => [stack, name]),
  ] as [string, string][];
  expect(named.length).toBeGreaterThan(4);
  const templates: Record<string, Template> = { store, app, schedules, 'http-api': httpApi, monitoring };
  for (const [stack, name] of named) {
    expect(Object.keys(templates[stack]!.findOutputs('*')), `${stack}.${name}`).toContain(name);
  }
});

describe('monitoring', () => {
  const alarms = () => resources(monitoring, 'AWS::CloudWatch::Alarm');

  test('every kind of failure has an alarm, and each alarm defines the meaning of missing data', () => {
    const missing = Object.fromEntries(
      alarms().map(([id, { Properties }]) => [id.replace(/[0-9A-F]{8}$/, ''), Properties.TreatMissingData]),
    );
    expect(missing).toEqual({
      WorstHorizonAge: 'breaching',
      HorizonAgeshop: 'breaching',
      SlotWalshop: 'ignore',
      RunsFailedshop: 'notBreaching',
      Gapsshop: 'ignore',
      Throttlespoller: 'notBreaching',
      Throttlesdoctor: 'notBreaching',
      Throttlesapi: 'notBreaching',
      DoctorSilent: 'breaching',
      DoctorFails: 'notBreaching',
      ApiErrors: 'notBreaching',
      ApiLatency: 'notBreaching',
    });
  });

  test("every alarm goes to the topic and from there to the addresses; CloudWatch may use the topic's key", () => {
    for (const [, { Properties }] of alarms()) {
      expect(JSON.stringify(Properties.AlarmActions)).toContain('AlertsTopic');
      expect(Properties.OKActions).toEqual(Properties.AlarmActions);
    }
    const byCloudWatch = { Effect: 'Allow', Principal: { Service: 'cloudwatch.amazonaws.com' } };
    app.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ ...byCloudWatch, Action: 'sns:Publish' })]),
      },
    });
    app.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({ ...byCloudWatch, Action: ['kms:Decrypt', 'kms:GenerateDataKey'] }),
        ]),
      },
    });
    app.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: { 'Fn::GetAtt': Match.anyValue() } });
    const { stacks } = synthesize({
      ...example,
      doctor: { email: 'a@example.com' },
      alarms: { emails: ['a@example.com', 'b@example.com'] },
    });
    Template.fromStack(stacks.app).resourceCountIs('AWS::SNS::Subscription', 2);
  });

  test('the period of an alarm fits the rate of its runs', () => {
    const { stacks } = synthesize({ ...example, nodes: [{ ...example.nodes[0], everyMinutes: 15 }] });
    Template.fromStack(stacks.monitoring).hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'HorizonAgeInSeconds',
      Period: 900,
    });
  });
});

test('a deployment ends if its custom resource does not answer', () => {
  app.hasResourceProperties('AWS::CloudFormation::CustomResource', { ServiceTimeout: '960' });
});

test('findings of the template validator fail the synth', () => {
  const app = new App({ outdir: mkdtempSync(join(tmpdir(), 'pgtimewarp-synth-')), context: cdkContext() });
  const stack = new Stack(app, 'Wrong');
  new CfnResource(stack, 'Cluster', {
    type: 'AWS::RDS::DBCluster',
    properties: { StorageEncrypted: 'perhaps' },
  });
  expect(() => app.synth()).toThrow(/StorageEncrypted: 'perhaps' is not of type 'boolean'/);
});
