/**
 * A deployment with a new store and one node, and what its settings mean. Copy it, change it, and name
 * your own: `npx cdk deploy --all -c config=my-deployment.ts`.
 */
import type { DeploymentInput } from './schema.ts';

const configuration: DeploymentInput = {
  // Begins the names of the stacks, so that several deployments can live in one account.
  name: 'pgtimewarp',

  // Where the functions run. The subnets need a way to Secrets Manager, SNS and S3 (the answer of the custom resource
  // goes there): a NAT gateway, or interface endpoints for the first two and a gateway endpoint for S3. One per zone.
  vpc: {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['eu-central-1a', 'eu-central-1b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0fedcba9876543210'],
    // Security groups of interface endpoints that you have: each gets a rule that lets the functions in.
    endpointSecurityGroupIds: [],
  },

  // The database with the history. `new` makes an Aurora PostgreSQL Serverless v2 cluster. For a database that you have:
  // { kind: 'existing', ownerSecretArn: …, writerSecretArn: …, readerSecretArn: … }: one login that owns the database,
  // and the secrets of two logins, which the deployment makes, for the functions that write and for the API. With
  // maxConnections, the part of its connections that is ours, the configuration is checked against it.
  // What the secrets do not say of the database stands beside them: database: { host: …, port: 5432, dbname: … }.
  store: {
    kind: 'new',
    // aws rds describe-db-engine-versions --engine aurora-postgresql lists those that your region has.
    engineVersion: '17.9',
    // In Aurora capacity units; 0 lets the cluster pause, which the poller's schedule hardly ever allows.
    minCapacity: 0.5,
    maxCapacity: 2,
    backupDays: 7,
    // null: nobody changes the passwords; where the serverless application repository is missing (docs/aws.md).
    rotationDays: 30,
  },

  // The observed databases.
  nodes: [
    {
      // The name in questions, metrics, the slot and the publication.
      node: 'shop',
      // {"host", "port", "username", "password", "dbname"}, as RDS makes it, or {"url"}. The writer's endpoint, not a proxy.
      sourceSecretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-database-AbCdEf',
      // Where it is, for a secret that does not say so: RDS's own (manageMasterUserPassword) has user and password alone.
      // database: { host: 'shop.abc.eu-central-1.rds.amazonaws.com', port: 5432, dbname: 'shop' },
      // Logging in by IAM instead of a password: arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE/timewarp, and in the secret
      // "iam": true instead of the password.
      iamUserArn: null,
      // The rate of its runs.
      everyMinutes: 1,
      // RDS and Aurora have both plugins; pgoutput needs the owner of the tables for its publication.
      plugin: 'pgoutput',
      tables: [
        { name: 'public.orders' },
        // Columns that never leave the source, and how long history is kept.
        { name: 'public.customers', exclude: ['card_number'], retention: '90d' },
      ],
    },
  ],

  // Customer keys that secrets are encrypted with: functions may decrypt by Secrets Manager with them. Secrets of other accounts
  // always have one, and a resource policy that lets this account in (docs/aws.md).
  kmsKeyArns: [],

  // Names of nodes, taken out of the list above, whose sources are gone for good: removing them needs no answer from there.
  forgetSources: [],

  // Findings go to an SNS topic; with an address they come by mail as well.
  doctor: { everyMinutes: 60, email: null },

  // When alarms ring, and who gets them by mail, beside the doctor's address. Each address has to confirm once.
  alarms: {
    emails: [],
    // History is that much behind (or no run reports) three runs long.
    horizonAgeSeconds: 300,
    // Of the WAL that a slot may keep on its source (docs/operations.md).
    walBudgetPercent: 50,
    // One answer in a hundred of the HTTP API takes longer.
    apiP99Ms: 2000,
  },

  // null: no HTTP API. `iam`: callers sign their requests and need execute-api:Invoke. Or { kind: 'jwt', issuer: …,
  // audience: […], tablesClaim: null }: a claim of that name says which nodes and tables a caller may ask about.
  // More than so many requests a second (twice that for a moment) are refused with 429. Pages of `corsOrigins`, such as
  // https://app.example.com, may ask from a browser.
  // `concurrency` bounds how many are answered at a time, and with it the connections to the store: reserved for the
  // function, so null in young accounts, which cannot reserve any.
  api: { authorization: { kind: 'iam' }, requestsPerSecond: 100, concurrency: null, corsOrigins: [] },

  functions: {
    // A run ends before that; the next one goes on where it was.
    pollerSeconds: 300,
    pollerMemoryMb: 1769,
    // Not needed for correctness: the database lets only one run of a node write. Young accounts cannot reserve any.
    reservedConcurrency: null,
    // For all logs, or { default: 30, poller: 7, requests: 365, … }.
    logDays: 30,
  },
};

export default configuration;
