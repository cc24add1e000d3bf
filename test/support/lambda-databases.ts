/**
 * The environment of the deployed functions: source and store, the secrets of their logins in a stub of AWS, environment
 * variables, and CloudFormation's requests to the migrate function.
 */
import { parseConnectionUrl } from '../../core/pg/connection.ts';
import { type AwsStub, startAwsStub } from './aws-stub.ts';
import { serverInfo } from './server-info.ts';
import { connectForTest } from './test-client.ts';
import { type TestDatabases, testDatabases } from './test-databases.ts';

export type FunctionName = 'Poller' | 'Api' | 'Doctor' | 'Migrate' | 'Maintenance' | 'Archiver';

export const secretArn = (name: string): string =>
  `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}-AbCdEf`;

export const ARNS = {
  owner: secretArn('owner'),
  writer: secretArn('writer'),
  reader: secretArn('reader'),
  source: secretArn('source'),
};

export interface LambdaDatabases extends TestDatabases {
  readonly aws: AwsStub;
  readonly logins: { readonly writer: string; readonly reader: string };
  /** The environment of a function; `sources` maps nodes to secrets. The test's own node is always included. */
  functionEnv(name: FunctionName, sources?: Readonly<Record<string, string>>): Record<string, string>;
  /** Changes a login's password as a rotation does, and ends its sessions. */
  rotate(login: 'writer' | 'reader', password: string): Promise<void>;
}

/** Makes empty databases and secrets; the migrate function makes two of the logins. */
export async function lambdaDatabases(
  tables: string,
  { adminUrl = serverInfo().adminUrl }: { readonly adminUrl?: string } = {},
): Promise<LambdaDatabases> {
  const aws = await startAwsStub();
  const databases = await testDatabases({ tables, store: 'empty', adminUrl });
  const logins = { writer: `w_${databases.node}`, reader: `r_${databases.node}` };
  aws.secrets.set(ARNS.owner, rdsSecret(databases.storeUrl));
  aws.secrets.set(ARNS.source, JSON.stringify({ url: databases.sourceUrl }));
  aws.secrets.set(ARNS.writer, rdsSecret(databases.storeUrl, logins.writer, 'first %/:? pass'));
  aws.secrets.set(ARNS.reader, rdsSecret(databases.storeUrl, logins.reader, 'first-reader'));
  return {
    ...databases,
    aws,
    logins,
    functionEnv: (name, sources = {}) => ({
      ...aws.env,
      PGTIMEWARP_STORE_SECRET_ARN: {
        Poller: ARNS.writer,
        Doctor: ARNS.writer,
        Maintenance: ARNS.writer,
        Archiver: ARNS.writer,
        Api: ARNS.reader,
        Migrate: ARNS.owner,
      }[name],
      PGTIMEWARP_OWNER_SECRET_ARN: ARNS.owner,
      PGTIMEWARP_WRITER_SECRET_ARN: ARNS.writer,
      PGTIMEWARP_READER_SECRET_ARN: ARNS.reader,
      PGTIMEWARP_SOURCE_SECRET_ARNS: JSON.stringify({ [databases.node]: ARNS.source, ...sources }),
      PGTIMEWARP_TOPIC_ARN: 'arn:aws:sns:eu-central-1:123456789012:alerts',
      // tests of the archive name their own
      ...(name === 'Archiver'
        ? {
            PGTIMEWARP_ARCHIVE_URL: 's3://nothing-is-archived',
            PGTIMEWARP_CATALOG_URL: 'http://127.0.0.1:1',
          }
        : {}),
    }),
    rotate: async (which, password) => {
      const login = logins[which];
      await databases.store.query(`ALTER ROLE "${login}" PASSWORD '${password}'`);
      await databases.store.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1',
        [login],
      );
      aws.secrets.set(ARNS[which], rdsSecret(databases.storeUrl, login, password));
    },
    [Symbol.asyncDispose]: async () => {
      await databases[Symbol.asyncDispose]();
      const admin = await connectForTest(adminUrl);
      for (const name of Object.values(logins)) await admin.query(`DROP ROLE IF EXISTS "${name}"`);
      await admin.end();
      await aws[Symbol.asyncDispose]();
    },
  };
}

/** The form in which Secrets Manager keeps it for RDS. */
function rdsSecret(url: string, username?: string, password?: string): string {
  const { host, port, user, password: own, database } = parseConnectionUrl(url, 'store');
  return JSON.stringify({
    engine: 'postgres',
    host,
    port,
    dbname: database,
    username: username ?? user,
    password: password ?? own,
  });
}

/** A node in the properties of the custom resource. */
export interface DeployedNode {
  readonly node: string;
  readonly sourceSecretArn: string;
  readonly plugin: string;
  readonly tables: readonly { readonly name: string; readonly [setting: string]: unknown }[];
}

export interface DeployedState {
  readonly nodes: readonly DeployedNode[];
  readonly forgetSources?: readonly string[];
}

/** Every request has its own id; a request that is delivered again keeps it. */
let requests = 0;

/**
 * A request as CloudFormation sends it (AWS CloudFormation User Guide, "Custom resource request objects"), with the properties
 * of the synthesised resource, all of them texts.
 */
export function deploymentEvent(
  aws: AwsStub,
  type: 'Create' | 'Update' | 'Delete',
  wanted: DeployedState,
  before: DeployedState = wanted,
): object {
  const serviceToken = 'arn:aws:lambda:eu-central-1:123456789012:function:migrate';
  const properties = ({ nodes, forgetSources = [] }: DeployedState): object => ({
    ServiceToken: serviceToken,
    ServiceTimeout: '960',
    Nodes: JSON.stringify(nodes),
    ForgetSources: JSON.stringify(forgetSources),
    Migrations: 'f'.repeat(64),
    Version: '0.1.0',
  });
  return {
    RequestType: type,
    ServiceToken: serviceToken,
    ResponseURL: aws.responseUrl,
    StackId:
      'arn:aws:cloudformation:eu-central-1:123456789012:stack/pgtimewarp-app/6c1b3f00-0000-11f0-8de9-0242ac120002',
    RequestId: `request-${type}-${++requests}`,
    ResourceType: 'AWS::CloudFormation::CustomResource',
    LogicalResourceId: 'Databases',
    ...(type === 'Create' ? {} : { PhysicalResourceId: 'pgtimewarp' }),
    ResourceProperties: properties(wanted),
    ...(type === 'Update' ? { OldResourceProperties: properties(before) } : {}),
  };
}
