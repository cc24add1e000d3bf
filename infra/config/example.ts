/**
 * A deployment with a new store and one node, and what its settings mean. Copy it, change it, and name
 * your own: `npx cdk deploy --all -c config=my-deployment.ts`.
 */
import type { DeploymentInput } from './schema.ts';

const configuration: DeploymentInput = {
  // The names of the stacks begin with it, so that an account can have several deployments.
  name: 'pgtimewarp',

  // The network of the functions, with one subnet per zone. The subnets need access to Secrets Manager, SNS and S3 (for the answer of
  // the custom resource): a NAT gateway, or interface endpoints for the first two and a gateway endpoint for S3.
  vpc: {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['eu-central-1a', 'eu-central-1b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0fedcba9876543210'],
    // Security groups of your interface endpoints: each gets a rule that admits the functions.
    endpointSecurityGroupIds: [],
  },

  // The database with the history. `new` makes an Aurora PostgreSQL Serverless v2 cluster. For an existing database:
  // { kind: 'existing', ownerSecretArn: …, writerSecretArn: …, readerSecretArn: … }. The first is the secret of the login that owns the
  // database. The others are secrets of two logins that the deployment makes: one for the functions that write, one for the API.
  // maxConnections is the number of its connections that the functions may use; the configuration is checked against it.
  // If the secrets lack the place of the database, write it beside them: database: { host: …, port: 5432, dbname: … }.
  store: {
    kind: 'new',
    // aws rds describe-db-engine-versions --engine aurora-postgresql lists the versions of your region.
    engineVersion: '17.9',
    // Capacities are in Aurora capacity units. With 0 the cluster may pause, but the schedule of the poller hardly ever lets it.
    minCapacity: 0.5,
    maxCapacity: 2,
    backupDays: 7,
    // null: no function changes the passwords. Needed where AWS has no serverless application repository (docs/aws.md).
    rotationDays: 30,
  },

  // Further stores by name, such as { eu: { kind: 'new' } }. The history of a node with `store: 'eu'` is there (docs/scale.md).
  stores: {},

  // The observed databases.
  nodes: [
    {
      // The name in questions, metrics, the slot and the publication.
      node: 'shop',
      // {"host", "port", "username", "password", "dbname"}, as RDS makes it, or {"url"}. Name the writer endpoint, not a proxy.
      sourceSecretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-database-AbCdEf',
      // The place of the database, if the secret lacks it: a secret that RDS manages (manageMasterUserPassword) has only user and password.
      // database: { host: 'shop.abc.eu-central-1.rds.amazonaws.com', port: 5432, dbname: 'shop' },
      // For a login by IAM: arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE/timewarp here, and in the secret "iam": true instead of the
      // password.
      iamUserArn: null,
      // How often a run starts.
      everyMinutes: 1,
      // The output plugin. RDS and Aurora have both. For pgoutput the login must own the tables, to add them to its publication.
      plugin: 'pgoutput',
      tables: [
        { name: 'public.orders' },
        // Columns that must not be stored, and how long history is kept.
        { name: 'public.customers', exclude: ['card_number'], retention: '90d' },
        // With an archive below: archive: { hot: '90d', drop: false, minRows: null } copies history older than that to the bucket.
      ],
    },
  ],

  // Customer keys of the secrets: the functions may use them through Secrets Manager. A secret of another account always has one, and
  // needs a resource policy that admits this account (docs/aws.md).
  kmsKeyArns: [],

  // With it, a node without `sourceSecretArn` has the secret whose name is this and the node (pgtimewarp/sources/shop): then a deployment
  // can have hundreds of nodes (docs/scale.md).
  sourceSecretPrefix: null,

  // Names of nodes that you removed from the list above and whose sources are gone for good: their removal does not wait for the source.
  forgetSources: [],

  // Doctor reports to an SNS topic. With an address, its reports also come by mail.
  doctor: { everyMinutes: 60, email: null },

  // The limits of alarms, and further addresses that get them by mail. Each address must confirm once.
  alarms: {
    emails: [],
    // Alarm if the horizon is older than this for three runs, or if no run reports.
    horizonAgeSeconds: 300,
    // Alarm if a slot keeps more than this part of its WAL budget on the source (docs/operations.md).
    walBudgetPercent: 50,
    // Alarm if one answer in a hundred of the HTTP API takes longer.
    apiP99Ms: 2000,
    // Alarm if history has been due to be archived for so long.
    archiveAgeSeconds: 43_200,
    // false: no metrics and alarms of single nodes. The alarm of the worst node is always there.
    eachNode: true,
  },

  // null: no HTTP API. `iam`: callers sign their requests and need execute-api:Invoke. Or { kind: 'jwt', issuer: …,
  // audience: […], tablesClaim: null }. tablesClaim names the claim with the nodes and tables that a caller may read.
  // Above requestsPerSecond (twice that for a moment), requests are refused with 429. Pages of `corsOrigins`, such as
  // https://app.example.com, may send requests from a browser.
  // page: { clientId: … } gives the page to browsers; it needs `jwt` (docs/aws.md).
  // `concurrency` limits how many requests run at a time, and so the connections to the store. It reserves concurrency for the
  // function. New accounts cannot reserve any: there it must be null.
  api: {
    authorization: { kind: 'iam' },
    requestsPerSecond: 100,
    concurrency: null,
    corsOrigins: [],
    page: null,
  },

  // null: old history stays in the store. { bucket: 'my-history' } makes a function that copies it to the bucket, below `prefix`, for the
  // tables that say `archive`, and lets the API read it there. The catalog is AWS Glue, or catalogUrl (docs/archive.md). kmsKeyArn: the customer key of the bucket.
  archive: null,

  functions: {
    // The time limit of a run. The next run continues where it stopped.
    pollerSeconds: 300,
    pollerMemoryMb: 1769,
    // Not needed for correctness: the store lets only one run of a node write. New accounts cannot reserve concurrency.
    reservedConcurrency: null,
    // null: each node has a schedule. A number: all nodes are served in so many parts, each with a schedule of every minute.
    parts: null,
    // How many nodes of an invocation are served at a time.
    nodesAtOnce: 8,
    // One number for all logs, or { default: 30, poller: 7, requests: 365, … }.
    logDays: 30,
  },
};

export default configuration;
