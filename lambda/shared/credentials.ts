/**
 * Reads credentials of databases from Secrets Manager. They are kept for the life of the environment and read again when a database
 * refuses them, so a rotation needs no deployment. Messages never contain them.
 */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { rdsToken, TOKEN_SECONDS } from './rds-token.ts';

const Port = z.union([z.int(), z.string().regex(/^\d+$/)]).default(5432);
const Text = z.string().min(1);

/** A connection URL. */
const UrlSecret = z.object({ url: z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgres:// URL') });

const Place = { host: Text, port: Port, username: Text, dbname: Text };

/** A login by the IAM role of the function, without a password. Default of the region: that of the function. */
const IamSecret = z.object({ ...Place, iam: z.literal(true), region: Text.optional() });

/** The form of RDS and of its rotation. */
const PasswordSecret = z.object({ ...Place, password: Text });

/** Fields that `database` of the configuration can give if the secret lacks them. */
const SETTABLE = ['host', 'port', 'dbname'];

interface Known {
  readonly url: string;
  /** When a login by IAM expires, by `Date.now()`. */
  readonly untilMs: number;
}

/** A third of the life of a token, so that a connection can still be made with it. */
const TOKEN_USE_MS = (TOKEN_SECONDS * 1000) / 3;

/** Errors of AWS for a missing permission, and for a key that the function may not use. */
const DENIED = new Set(['AccessDeniedException', 'DecryptionFailure', 'KMSAccessDeniedException']);
const DENIED_REMEDY =
  'If the secret has a customer key, name the key in kmsKeyArns of the configuration and allow the roles of the functions in its policy. ' +
  'If the secret is in another account, allow them in its resource policy too (docs/aws.md).';

/** Errors that an outdated secret causes: it was rotated since, or names a server that was replaced. */
const OUTDATED = new Set<string>([
  'AUTHENTICATION_FAILED',
  'SOURCE_UNREACHABLE',
  'STORE_UNREACHABLE',
  'DATABASE_MISSING',
]);

export class Credentials {
  readonly #client: SecretsManagerClient;
  readonly #known = new Map<string, Known>();

  constructor(client = new SecretsManagerClient({})) {
    this.#client = client;
  }

  /** The connection URL of a secret. Throws SECRET_UNREADABLE. */
  async url(arn: string): Promise<string> {
    const known = this.#known.get(arn);
    if (known !== undefined && Date.now() < known.untilMs) return known.url;
    const found = connectionUrl(await this.#read(arn), arn);
    this.#known.set(arn, found);
    return found.url;
  }

  /** Makes the next `url` read the secret again. */
  forget(arn: string): void {
    this.#known.delete(arn);
  }

  /** Does `work` with the URL; once more with a fresh URL if the database refuses the login or has moved. */
  async withUrl<T>(arn: string, work: (url: string) => Promise<T>): Promise<T> {
    const tried = await this.url(arn);
    try {
      return await work(tried);
    } catch (error) {
      if (!(error instanceof TimewarpError) || !OUTDATED.has(error.code)) throw error;
      this.forget(arn);
      const fresh = await this.url(arn);
      if (fresh === tried && error.code !== 'AUTHENTICATION_FAILED') throw error;
      return await work(fresh);
    }
  }

  async #read(arn: string): Promise<string> {
    try {
      const [SecretId] = arn.split('#'); // see infra/constructs/secret-reference.ts
      const { SecretString } = await this.#client.send(new GetSecretValueCommand({ SecretId }));
      return SecretString ?? '';
    } catch (cause) {
      const name = cause instanceof Error ? cause.name : 'unknown error';
      throw new TimewarpError(
        'SECRET_UNREADABLE',
        `The secret ${arn.split('#')[0]} cannot be read (${name}).`,
        {
          cause,
          ...(DENIED.has(name) ? { remedy: DENIED_REMEDY } : {}),
        },
      );
    }
  }
}

/** Exported for tests. Messages never contain the text of the secret. @param reference see infra/constructs/secret-reference.ts */
export function connectionUrl(
  secretText: string,
  reference: string,
  environment: NodeJS.ProcessEnv = process.env,
): Known {
  const [arn = '', place = ''] = reference.split('#');
  const refuse = (why: string, remedy?: string): TimewarpError =>
    new TimewarpError(
      'SECRET_UNREADABLE',
      `The secret ${arn} ${why}.`,
      remedy === undefined ? {} : { remedy },
    );
  const found = jsonObject(secretText);
  if (found === null) throw refuse('is no JSON object');
  const secret: Record<string, unknown> = { ...found, ...Object.fromEntries(new URLSearchParams(place)) };
  const form = 'url' in secret ? UrlSecret : secret.iam === true ? IamSecret : PasswordSecret;
  const parsed = form.safeParse(secret);
  if (!parsed.success) {
    const fields = [...new Set(parsed.error.issues.map(({ path }) => String(path[0])))];
    const missing = fields.filter((field) => !(field in secret));
    const remedy = fields.some((field) => SETTABLE.includes(field))
      ? 'Add it to the secret. If RDS manages the secret, write it as `database` beside the ARN in the configuration.'
      : undefined;
    if (missing.length > 0) throw refuse(`has no ${missing.join(', ')}`, remedy);
    throw refuse(`has a ${fields.join(', ')} of another form`, remedy);
  }
  const login = parsed.data;
  if ('url' in login) return { url: login.url, untilMs: Number.POSITIVE_INFINITY };
  const { host, port, username, dbname } = login;
  const byIam = 'iam' in login;
  const password = byIam ? tokenFor(login, environment) : login.password;
  const [user, word, database] = [username, password, dbname].map(encodeURIComponent);
  return {
    url: `postgres://${user}:${word}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`,
    untilMs: byIam ? Date.now() + TOKEN_USE_MS : Number.POSITIVE_INFINITY,
  };
}

function jsonObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function tokenFor(login: z.output<typeof IamSecret>, environment: NodeJS.ProcessEnv): string {
  const credentials = {
    accessKeyId: environment.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? '',
    sessionToken: environment.AWS_SESSION_TOKEN,
  };
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  return rdsToken({ ...login, region: login.region ?? environment.AWS_REGION ?? '' }, credentials, time);
}
