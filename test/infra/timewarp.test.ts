/** `Timewarp` in an app of somebody else: what its methods make, and what they refuse. */
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { UserPool } from 'aws-cdk-lib/aws-cognito';
import { type IVpc, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import {
  AuroraPostgresEngineVersion,
  ClusterInstance,
  DatabaseCluster,
  DatabaseClusterEngine,
} from 'aws-cdk-lib/aws-rds';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { describe, expect, test } from 'vitest';
import {
  Timewarp,
  TimewarpAuthorization,
  type TimewarpProps,
  TimewarpSource,
  TimewarpStore,
} from '../../infra/cdk.ts';
import { FUNCTIONS_CONTEXT } from '../../infra/constructs/package-files.ts';
import { secretArn } from '../support/lambda-databases.ts';
import { placeholderFunctions } from '../support/synthesize.ts';

function stackWithVpc(app = new App({ context: { [FUNCTIONS_CONTEXT]: placeholderFunctions() } })): {
  app: App;
  stack: Stack;
  vpc: IVpc;
} {
  const stack = new Stack(app, 'Mine');
  return { app, stack, vpc: new Vpc(stack, 'Vpc', { maxAzs: 2 }) };
}

const secretIn = (stack: Stack, name: string): ISecret =>
  Secret.fromSecretCompleteArn(stack, name, secretArn(name));

function history(props: Partial<TimewarpProps> = {}) {
  const { app, stack, vpc } = stackWithVpc();
  const store = TimewarpStore.existing({
    ownerSecret: secretIn(stack, 'owner'),
    writerSecret: secretIn(stack, 'writer'),
    readerSecret: secretIn(stack, 'reader'),
    database: 'history',
  });
  const made = new Timewarp(stack, 'History', { vpc, store, ...props });
  return { app, stack, vpc, made, source: TimewarpSource.fromSecret(secretIn(stack, 'shop')) };
}

const TABLES = { tables: ['public.orders'] };

describe('what cannot be observed is refused, with the node and the mistake', () => {
  const CASES = [
    ['Shop', TABLES, /"Shop" cannot be observed: its name must be 1 to 40 lower-case/],
    ['shop', { tables: ['a b'] }, /"shop" cannot be observed: a b is no table/],
    ['shop', { tables: ['orders', 'public.orders'] }, /public\.orders is in the list already/],
    ['shop', { ...TABLES, tableOptions: { 'public.order': {} } }, /tableOptions names public\.order,/],
    ['shop', { ...TABLES, everyMinutes: 0 }, /everyMinutes must be a whole number from 1 to 1440/],
    ['shop', { ...TABLES, plugin: 'other' }, /the plugin must be pgoutput or wal2json/],
  ] as const;
  test.each(CASES)('%s %o', (node, options, says) => {
    const { made, source } = history();
    expect(() => made.observe(node, source, { ...options, tables: [...options.tables] })).toThrow(says);
  });

  test('a name twice, a secret that is known by its name only, a metric of nothing, questions without an API', () => {
    const { made, source, stack } = history({ withoutApi: true });
    made.observe('shop', source, TABLES);
    expect(() => made.observe('shop', source, TABLES)).toThrow(/"shop" is the name of another node already/);
    const vague = Secret.fromSecretNameV2(stack, 'Vague', 'vague');
    expect(() => TimewarpSource.fromSecret(vague)).toThrow(/vague must be named by its complete ARN/);
    expect(() => made.metricHorizonAge('other')).toThrow(/"other" is not observed/);
    const role = new Role(stack, 'Asker', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    expect(() => made.grantQuery(role)).toThrow(/no HTTP API/);
  });
});

test('what is said of tables reaches the custom resource', () => {
  const { made, source, stack } = history();
  made.observe('shop', source, {
    tables: ['public.orders', 'b'],
    tableOptions: {
      b: { exclude: ['c'], retention: Duration.hours(36), baseline: false, noNan: true, shared: false },
    },
    retention: Duration.days(90),
    database: 'my shop',
  });
  const [resource] = Object.values(
    Template.fromStack(stack).findResources('AWS::CloudFormation::CustomResource'),
  );
  expect(JSON.parse((resource as { Properties: { Nodes: string } }).Properties.Nodes)).toEqual([
    {
      node: 'shop',
      sourceSecretArn: `${secretArn('shop')}#dbname=my+shop`,
      plugin: null,
      slotName: null,
      tables: [
        {
          name: 'public.orders',
          exclude: [],
          retention: '90d',
          baseline: true,
          noNan: false,
          shared: false,
          archive: null,
        },
        {
          name: 'b',
          exclude: ['c'],
          retention: '129600s',
          baseline: false,
          noNan: true,
          shared: false,
          archive: null,
        },
      ],
    },
  ]);
});

test('grantQuery lets a role ask and do nothing else; alarms and the metric are those of the node', () => {
  const { made, source, stack } = history();
  made.observe('shop', source, { ...TABLES, everyMinutes: 5 });
  const role = new Role(stack, 'Asker', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  made.grantQuery(role);
  expect(made.url).toBeDefined();
  expect(made.metricHorizonAge('shop').period).toEqual(Duration.minutes(5));
  expect(made.alarms).toHaveLength(12);
  Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
    PolicyName: Match.stringLikeRegexp('^AskerDefaultPolicy'),
    PolicyDocument: { Statement: [Match.objectLike({ Action: 'execute-api:Invoke', Effect: 'Allow' })] },
  });
});

test('without an API there is none; with a token the claim reaches the function', () => {
  const none = history({ withoutApi: true });
  none.made.observe('shop', none.source, TABLES);
  const template = Template.fromStack(none.stack);
  template.resourceCountIs('AWS::ApiGatewayV2::Api', 0);
  template.resourceCountIs('AWS::Lambda::Function', 4);
  const authorization = TimewarpAuthorization.jwt({
    issuer: 'https://issuer.example',
    audience: ['a'],
    tablesClaim: 'tables',
  });
  const { stack } = history({ api: { authorization } });
  Template.fromStack(stack).hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: Match.objectLike({ PGTIMEWARP_TABLES_CLAIM: 'tables' }) },
  });
});

describe('the page', () => {
  const authorization = TimewarpAuthorization.jwt({
    issuer: 'https://issuer.example/pool',
    audience: ['a'],
  });

  test('its files are open, all else is not; the function knows where people sign in', () => {
    const { stack } = history({ api: { authorization, page: { clientId: 'page' } } });
    const template = Template.fromStack(stack);
    const routes = Object.values(template.findResources('AWS::ApiGatewayV2::Route')).map(({ Properties }) => [
      Properties.RouteKey,
      Properties.AuthorizationType,
    ]);
    expect(Object.fromEntries(routes)).toEqual({
      'ANY /{proxy+}': 'JWT',
      'GET /': 'NONE',
      'GET /ui': 'NONE',
      'GET /ui/{proxy+}': 'NONE',
      'GET /assets/{proxy+}': 'NONE',
    });
    const signIn = { issuer: 'https://issuer.example/pool', clientId: 'page', scopes: ['openid'] };
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ PGTIMEWARP_SIGN_IN: JSON.stringify(signIn) }) },
    });
  });

  test('the issuer may be a user pool of the same app, whose names only the deployment knows', () => {
    const { stack, vpc } = stackWithVpc();
    const pool = new UserPool(stack, 'People');
    const domain = pool.addDomain('Domain', { cognitoDomain: { domainPrefix: 'people' } });
    const { userPoolClientId: clientId } = pool.addClient('Page');
    const issuer = pool.userPoolProviderUrl;
    const made = new Timewarp(stack, 'History', {
      vpc,
      store: TimewarpStore.serverless(),
      api: {
        authorization: TimewarpAuthorization.jwt({ issuer, audience: [clientId] }),
        page: { clientId, tokenOrigin: domain.baseUrl() },
      },
    });
    made.observe('shop', TimewarpSource.fromSecret(secretIn(stack, 'shop')), TABLES);
    const [signIn] = Object.values(Template.fromStack(stack).findResources('AWS::Lambda::Function'))
      .map(({ Properties }) => Properties.Environment?.Variables.PGTIMEWARP_SIGN_IN as object | undefined)
      .filter((each) => each !== undefined);
    const text = JSON.stringify(signIn);
    for (const part of ['ProviderURL', 'PeoplePage', 'PeopleDomain', 'amazoncognito.com'])
      expect(text).toContain(part);
  });

  test('without the option there is none', () => {
    const { stack } = history({ api: { authorization } });
    const template = Template.fromStack(stack);
    template.resourceCountIs('AWS::ApiGatewayV2::Route', 1);
    expect(JSON.stringify(template.toJSON())).not.toContain('SIGN_IN');
  });

  test('with IAM, without openid, or with an address in place of an origin it is refused, with the reason', () => {
    const asked = (api: TimewarpProps['api']) => () => history(api === undefined ? {} : { api });
    const page = { clientId: 'page' };
    expect(asked({ page })).toThrow(/There is no page: with IAM authorization requests are signed/);
    expect(asked({ authorization, page: { ...page, scopes: ['email'] } })).toThrow(
      /There is no page: its scopes must contain openid/,
    );
    expect(asked({ authorization, page: { ...page, tokenOrigin: 'https://a.b/c' } })).toThrow(
      /There is no page: its tokenOrigin must be an origin/,
    );
  });
});

test('a cluster of another stack: the rule and the dependency go from ours to it, and its key may be used', () => {
  const { app, stack, vpc } = stackWithVpc();
  const other = new Stack(app, 'Theirs');
  const cluster = new DatabaseCluster(other, 'Database', {
    engine: DatabaseClusterEngine.auroraPostgres({ version: AuroraPostgresEngineVersion.VER_17_9 }),
    writer: ClusterInstance.serverlessV2('Writer'),
    vpc: new Vpc(other, 'Vpc', { maxAzs: 2 }),
  });
  const login = new Secret(other, 'Login', { encryptionKey: new Key(other, 'Key') });
  const made = new Timewarp(stack, 'History', { vpc, store: TimewarpStore.serverless() });
  made.observe('shop', TimewarpSource.fromCluster(cluster, login), TABLES);
  app.synth(); // a circle of stacks would throw
  Template.fromStack(other).resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
  const ours = Template.fromStack(stack);
  ours.hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
    GroupId: { 'Fn::ImportValue': Match.stringLikeRegexp('Database') },
    SourceSecurityGroupId: Match.objectLike({}),
  });
  const keys = Object.values(ours.findResources('AWS::IAM::Policy')).filter((policy) =>
    JSON.stringify(policy).includes('kms:ViaService'),
  );
  expect(keys).toHaveLength(5);
});
