/** The configuration of a function, read from the environment when an invocation starts, never at import. */
import * as z from 'zod';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

const NODE = /^[a-z0-9_]{1,40}$/;

export const SecretArn = z.string().regex(/^arn:[\w-]+:secretsmanager:/, 'must be the ARN of a secret');
/** Of a secret whose name follows the convention of the deployment. */
export const SecretId = z.union([
  SecretArn,
  z.string().regex(/^[\w/+=.@-]{1,240}$/, 'must be an ARN or a name'),
]);
export const NodeName = z.string().regex(NODE, 'must be 1 to 40 lower-case letters, digits or underscores');

/** A JSON object that maps the name of each node to the ARN of the secret of its source. */
const SourceSecrets = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('must be a JSON object of node names and secret ARNs');
      return z.NEVER;
    }
  })
  .pipe(z.record(NodeName, SecretArn));

/** A JSON array of ARNs; default: none. */
const SecretArns = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('must be a JSON array of secret ARNs');
      return z.NEVER;
    }
  })
  .pipe(z.array(SecretArn))
  .default([]);

/** How people sign in to the page: a JSON object. */
const SignIn = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('must be a JSON object');
      return z.NEVER;
    }
  })
  .pipe(
    z.strictObject({
      issuer: z.url(),
      clientId: z.string().min(1),
      scopes: z.array(z.string().min(1)).min(1),
      /** Default: that of the issuer. */
      tokenOrigin: z.url().optional(),
    }),
  )
  .transform(({ tokenOrigin, ...others }) => ({
    ...others,
    tokenOrigin: new URL(tokenOrigin ?? others.issuer).origin,
  }));

/** The environment variables, by the name that the code uses. */
export const SETTINGS = {
  storeSecretArn: { variable: 'PGTIMEWARP_STORE_SECRET_ARN', schema: SecretArn },
  /** Of the further stores of the deployment. */
  otherStoreSecretArns: { variable: 'PGTIMEWARP_OTHER_STORE_SECRET_ARNS', schema: SecretArns },
  sourceSecretArns: { variable: 'PGTIMEWARP_SOURCE_SECRET_ARNS', schema: SourceSecrets },
  /** The beginning of the name of each source's secret, which ends with the node; null: only the map names nodes. */
  sourceSecretPrefix: {
    variable: 'PGTIMEWARP_SOURCE_SECRET_PREFIX',
    schema: z
      .string()
      .regex(/^[\w/+=.@-]{1,200}$/, 'must be the beginning of the names of secrets')
      .nullable()
      .default(null),
  },
  /** How many nodes an invocation serves at a time. */
  nodesAtOnce: {
    variable: 'PGTIMEWARP_NODES_AT_ONCE',
    schema: z
      .string()
      .regex(/^[1-9]\d*$/, 'must be a whole number')
      .transform((text) => Number.parseInt(text, 10))
      .default(8),
  },
  /** `off`: metrics of all nodes together only. */
  nodeMetrics: { variable: 'PGTIMEWARP_NODE_METRICS', schema: z.enum(['on', 'off']).default('on') },
  /** null: no claim limits the tables of a caller. */
  tablesClaim: { variable: 'PGTIMEWARP_TABLES_CLAIM', schema: z.string().nullable().default(null) },
  /** null: the function does not give the page. */
  signIn: { variable: 'PGTIMEWARP_SIGN_IN', schema: SignIn.nullable().default(null) },
  archiveUrl: { variable: 'PGTIMEWARP_ARCHIVE_URL', schema: z.string().startsWith('s3://') },
  /** null: nothing is read from an archive. */
  archiveToRead: {
    variable: 'PGTIMEWARP_ARCHIVE_URL',
    schema: z.string().startsWith('s3://').nullable().default(null),
  },
  catalogUrl: { variable: 'PGTIMEWARP_CATALOG_URL', schema: z.url() },
  /** null: the catalog's own. */
  warehouse: { variable: 'PGTIMEWARP_CATALOG_WAREHOUSE', schema: z.string().nullable().default(null) },
  /** null: by the host of the catalog. */
  catalogSigning: { variable: 'PGTIMEWARP_CATALOG_SIGNING', schema: z.string().nullable().default(null) },
  topicArn: { variable: 'PGTIMEWARP_TOPIC_ARN', schema: z.string().startsWith('arn:') },
  ownerSecretArn: { variable: 'PGTIMEWARP_OWNER_SECRET_ARN', schema: SecretArn },
  writerSecretArn: { variable: 'PGTIMEWARP_WRITER_SECRET_ARN', schema: SecretArn },
  readerSecretArn: { variable: 'PGTIMEWARP_READER_SECRET_ARN', schema: SecretArn },
} as const;

type SettingName = keyof typeof SETTINGS;
type Configuration<N extends SettingName> = { readonly [K in N]: z.output<(typeof SETTINGS)[K]['schema']> };

/** The settings that a function names. Throws CONFIGURATION_WRONG with the name of the variable. */
export function readConfiguration<N extends SettingName>(
  names: readonly N[],
  environment: NodeJS.ProcessEnv = process.env,
): Configuration<N> {
  const values = names.map((name) => {
    const { variable, schema } = SETTINGS[name];
    return [name, parseSetting(schema, environment[variable], `The environment variable ${variable}`)];
  });
  return Object.fromEntries(values) as Configuration<N>;
}

/** Throws CONFIGURATION_WRONG: the message begins with `what` and names the mistake. */
export function parseSetting<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue !== undefined && issue.path.length > 0 ? ` (at ${issue.path.join('.')})` : '';
  throw new TimewarpError('CONFIGURATION_WRONG', `${what}${where}: ${issue?.message ?? 'is wrong'}.`);
}
