/** The configuration of a deployment: one document, checked before any stack is built. */
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { z } from 'zod';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { NODE_NAME } from '../constructs/observe-options.ts';
import { ARCHIVE_PREFIX } from '../constructs/timewarp-archive.ts';
import { NO_PAGE_WITH_IAM } from '../constructs/timewarp-page.ts';
import { SERVERLESS_DEFAULTS } from '../constructs/timewarp-store.ts';
import { wrongNodes } from './many-nodes.ts';
import { wrongArchives } from './wrong-archives.ts';
import { wrongStores } from './wrong-stores.ts';

const SecretArn = z
  .string()
  .regex(
    /^arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:.+-\w{6}$/,
    'must be the complete ARN of a secret, with the six characters at its end',
  );
const Origin = z
  .string()
  .refine(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    'must be an origin: scheme, host and port',
  );
const Minutes = z.int().min(1, 'must be at least 1: the unit of schedules is the minute').max(1440);

/** A name as in psql, by the same parser as the program. */
function tableName({ value, issues }: z.core.ParsePayload<string>): void {
  try {
    parseTableName(value);
  } catch (error) {
    issues.push({ code: 'custom', input: value, message: `is no table: ${(error as Error).message}` });
  }
}

const Window = z.string().regex(/^[1-9]\d{0,8}[smhd]$/, 'must be a duration such as 30d');

const Table = z.strictObject({
  name: z.string().check(tableName),
  exclude: z.array(z.string()).default([]),
  retention: Window.nullable().default(null),
  baseline: z.boolean().default(true),
  /** Its numeric and float columns never hold NaN or Infinity: see docs/types.md. */
  noNan: z.boolean().default(false),
  /** Another node of the same database may track it, too. */
  shared: z.boolean().default(false),
  /** null: no archive; the deployment must have one. */
  archive: z
    .strictObject({
      hot: Window,
      drop: z.boolean().default(false),
      minRows: z.int().min(1).max(2_147_483_647).nullable().default(null),
    })
    .nullable()
    .default(null),
});

const KmsKeyArn = z
  .string()
  .regex(/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, 'must be the ARN of a key (not of an alias)');

/** The place of a database, for secrets that lack it: secrets that RDS manages have only user and password. */
const Place = z.strictObject({
  host: z.string().min(1).optional(),
  port: z.int().min(1).max(65_535).optional(),
  dbname: z.string().min(1).optional(),
});

const Node = z.strictObject({
  node: z.string().regex(NODE_NAME, 'must be 1 to 40 lower-case letters, digits or underscores'),
  /** null: the secret is named by `sourceSecretPrefix` and the node. */
  sourceSecretArn: SecretArn.nullable().default(null),
  database: Place.nullable().default(null),
  /** The one of `stores` that has its history; null: `store`. */
  store: z.string().nullable().default(null),
  everyMinutes: Minutes.default(1),
  plugin: z.enum(['wal2json', 'pgoutput']).nullable().default(null),
  slotName: z
    .string()
    .regex(/^[a-z0-9_]{1,63}$/)
    .nullable()
    .default(null),
  tables: z.array(Table).default([]),
  iamUserArn: z
    .string()
    .regex(
      /^arn:[\w-]+:rds-db:[\w-]+:\d{12}:dbuser:[\w-]+\/\w+$/,
      'must be the ARN of a database user (rds-db)',
    )
    .nullable()
    .default(null),
});

/** The values that CloudWatch accepts ("PutRetentionPolicy"). */
const LogDays = z.literal([
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]);
const LOG_DAYS = 30;
/** The logs: of the functions, of those that change passwords (`rotation`), and of the requests to the HTTP API. */
const LOGS = [
  'poller',
  'api',
  'doctor',
  'migrate',
  'maintenance',
  'archiver',
  'rotation',
  'requests',
] as const;
type LogName = (typeof LOGS)[number];

/** One number for all logs, or one for each. */
const LogRetention = z
  .union([LogDays, z.partialRecord(z.enum(['default', ...LOGS]), LogDays)])
  .default(LOG_DAYS)
  .transform((days) => {
    const each = typeof days === 'number' ? { default: days } : days;
    const ofLog = (name: LogName) => [name, each[name] ?? each.default ?? LOG_DAYS] as const;
    return Object.fromEntries(LOGS.map(ofLog)) as Record<LogName, RetentionDays>;
  });

const MaxConnections = z.int().min(20).nullable().default(null);

const NewStore = z.strictObject({
  kind: z.literal('new'),
  engineVersion: z
    .string()
    .regex(/^1[5-9]\.\d{1,2}$/, 'must be a version of Aurora PostgreSQL from 15 on, such as 17.9')
    .default(SERVERLESS_DEFAULTS.engineVersion),
  minCapacity: z.number().min(0).max(128).multipleOf(0.5).default(SERVERLESS_DEFAULTS.minCapacity),
  maxCapacity: z.number().min(1).max(128).multipleOf(0.5).default(SERVERLESS_DEFAULTS.maxCapacity),
  backupDays: z.int().min(1).max(35).default(SERVERLESS_DEFAULTS.backupDays),
  /** null: the deployment does not change the passwords. */
  rotationDays: z.int().min(1).max(1000).nullable().default(SERVERLESS_DEFAULTS.rotationDays),
  /** null: the limit of Aurora for a cluster of `maxCapacity`. */
  maxConnections: MaxConnections,
});

const ExistingStore = z.strictObject({
  kind: z.literal('existing'),
  ownerSecretArn: SecretArn,
  writerSecretArn: SecretArn,
  readerSecretArn: SecretArn,
  /** How many of the connections of the database we may use. null: not known, and not checked. */
  maxConnections: MaxConnections,
  database: Place.nullable().default(null),
});

const Store = z.discriminatedUnion('kind', [NewStore, ExistingStore]);

const Jwt = z.strictObject({
  kind: z.literal('jwt'),
  issuer: z.url(),
  audience: z.array(z.string().min(1)).min(1),
  /** The claim that names the nodes and tables that a caller may read; null: every caller may read all. */
  tablesClaim: z
    .string()
    .regex(/^[\w:./-]{1,100}$/, 'must be the name of a claim')
    .nullable()
    .default(null),
});

const Archive = z.strictObject({
  /** The bucket, which must be there. */
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  prefix: z.string().regex(ARCHIVE_PREFIX, 'must be the name of a folder, such as a/b').default('history'),
  /** The customer key of the bucket. */
  kmsKeyArn: KmsKeyArn.nullable().default(null),
  /** null: AWS Glue in this account and region. */
  catalogUrl: z.url().nullable().default(null),
  warehouse: z.string().min(1).nullable().default(null),
  everyMinutes: Minutes.min(15, 'must be at least 15, the time limit of a run').default(60),
});

const Page = z.strictObject({
  /** A public client of the issuer, with the redirect address URL/ui/signed-in. */
  clientId: z.string().min(1),
  scopes: z
    .array(z.string().min(1))
    .refine((scopes) => scopes.includes('openid'), 'must contain openid')
    .default(['openid']),
  /** Where the issuer gives tokens; null: at its own address. */
  tokenOrigin: Origin.nullable().default(null),
});

const Api = z
  .strictObject({
    authorization: z
      .discriminatedUnion('kind', [z.strictObject({ kind: z.literal('iam') }), Jwt])
      .default({ kind: 'iam' }),
    requestsPerSecond: z.int().min(1).max(10_000).default(100),
    /** How many questions run at the same time, each with a connection; null: as many as the account allows. */
    concurrency: z.int().min(1).nullable().default(null),
    corsOrigins: z.array(Origin).default([]),
    /** null: browsers get no page. */
    page: Page.nullable().default(null),
  })
  .check(({ value: { authorization, page }, issues }) => {
    if (page !== null && authorization.kind === 'iam')
      issues.push({
        code: 'custom',
        path: ['page'],
        message: `is not possible: ${NO_PAGE_WITH_IAM.replace(/\.$/, '')}`,
        input: page,
      });
  });

export const DeploymentConfiguration = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be lower-case letters, digits and hyphens'),
    vpc: z.strictObject({
      vpcId: z.string().startsWith('vpc-'),
      availabilityZones: z.array(z.string()).min(2, 'must name at least two zones'),
      privateSubnetIds: z.array(z.string().startsWith('subnet-')).min(2, 'must name one subnet per zone'),
      /** Security groups of existing interface endpoints: each gets a rule that admits the functions. */
      endpointSecurityGroupIds: z.array(z.string().startsWith('sg-')).default([]),
    }),
    store: Store,
    /** Further stores by name: each has functions, schedules and alarms of its own, and the API is that of the deployment. */
    stores: z.record(z.string(), Store).default({}),
    nodes: z.array(Node).min(1, 'must have at least one node'),
    kmsKeyArns: z.array(KmsKeyArn).default([]),
    /** The secret of a node without `sourceSecretArn` is named by this and the node. */
    sourceSecretPrefix: z
      .string()
      .regex(/^[\w/+=.@-]{1,200}$/, 'must be the beginning of the names of secrets, such as pgtimewarp/')
      .nullable()
      .default(null),
    forgetSources: z.array(z.string()).default([]),
    doctor: z
      .strictObject({ everyMinutes: Minutes.default(60), email: z.email().nullable().default(null) })
      .prefault({}),
    alarms: z
      .strictObject({
        emails: z.array(z.email()).default([]),
        horizonAgeSeconds: z.int().min(60).default(300),
        walBudgetPercent: z.int().min(1).max(100).default(50),
        apiP99Ms: z.int().min(1).default(2000),
        archiveAgeSeconds: z.int().min(3600).default(43_200),
        /** false: metrics and alarms of all nodes together only. */
        eachNode: z.boolean().default(true),
      })
      .prefault({}),
    /** null: no HTTP API. */
    api: Api.nullable().prefault({}),
    /** null: no archive. */
    archive: Archive.nullable().default(null),
    functions: z
      .strictObject({
        pollerSeconds: z.int().min(30).max(900).default(300),
        pollerMemoryMb: z.int().min(512).max(10_240).default(1769),
        reservedConcurrency: z.int().min(1).nullable().default(null),
        logDays: LogRetention,
        /** null: each node has a schedule. Otherwise this many schedules serve a part of all nodes each, every minute. */
        parts: z.int().min(1).max(100).nullable().default(null),
        /** How many nodes of a part are served at a time. */
        nodesAtOnce: z.int().min(1).max(50).default(8),
      })
      .prefault({}),
  })
  .check((context) => {
    const { nodes, vpc } = context.value;
    const names = nodes.map((node) => node.node);
    const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
    if (twice !== -1) {
      const message = `"${names[twice]}" is the name of another node already`;
      context.issues.push({ code: 'custom', path: ['nodes', twice, 'node'], message, input: names[twice] });
    }
    for (const [index, { tables }] of nodes.entries()) {
      const tableNames = tables.map((table) => formatTableName(parseTableName(table.name)));
      const again = tableNames.findIndex((name, place) => tableNames.indexOf(name) !== place);
      if (again === -1) continue;
      const message = `${tableNames[again]} is in the list already`;
      context.issues.push({
        code: 'custom',
        path: ['nodes', index, 'tables', again, 'name'],
        message,
        input: tables,
      });
    }
    context.issues.push(...wrongNodes(context.value), ...wrongArchives(context.value));
    context.issues.push(...wrongStores(context.value));
    if (vpc.privateSubnetIds.length !== vpc.availabilityZones.length) {
      const message = 'must name one subnet per zone, in the order of availabilityZones';
      context.issues.push({
        code: 'custom',
        path: ['vpc', 'privateSubnetIds'],
        message,
        input: vpc.privateSubnetIds,
      });
    }
  });

export type DeploymentConfiguration = z.output<typeof DeploymentConfiguration>;
export type ApiConfiguration = NonNullable<DeploymentConfiguration['api']>;
export type DeploymentInput = z.input<typeof DeploymentConfiguration>;

/** Throws an Error with one sentence per mistake, each naming its field. */
export function parseConfiguration(value: unknown, source: string): DeploymentConfiguration {
  const result = DeploymentConfiguration.safeParse(value);
  if (result.success) return result.data;
  const mistakes = result.error.issues.map(({ path, message }) => `${fieldName(path)}: ${message}.`);
  throw new Error(`The configuration ${source} cannot be used.\n${mistakes.join('\n')}`);
}

function fieldName(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text === '' ? '(all of it)' : text.replace(/^\./, '');
}
