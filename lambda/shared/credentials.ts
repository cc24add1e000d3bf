/**
 * Credentials of databases from Secrets Manager: read once, kept for the life of the environment, and read again when a
 * database refuses them, so that a rotation needs no deployment. They never appear in messages.
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

/** A login of the function's own IAM role: there is no password, only a name; the region is the function's when left out. */
const IamSecret = z.object({ ...Place, iam: z.literal(true), region: Text.optional() });

/** As RDS writes it (and its rotation keeps it). */
const PasswordSecret = z.object({ ...Place, password: Text });

/** What `database` of the configuration can say where the secret does not. */
const SETTABLE = ['host', 'port', 'dbname'];

interface Known {
  readonly url: string;
  /** A login by IAM ends some time, on the clock of `Date.now()`. */
  readonly untilMs: number;
}

/** Of a token's life, so that a connection can still be made with it. */
const TOKEN_USE_MS = (TOKEN_SECONDS * 1000) / 3;

/** What AWS says of a right that is missing, and of a key that may not be used. */
const DENIED = new Set(['AccessDeniedException', 'DecryptionFailure', 'KMSAccessDeniedException']);
const DENIED_REMEDY =
  'A secret with a customer key: name the key in kmsKeyArns of the configuration, and let its policy allow the roles of the functions. ' +
  'One of another account: its resource policy, too (docs/aws.md).';

/** What a secret of before makes: rotated since, or naming a server that has been replaced. */
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

  /** Does `work` with the URL, and once more with a fresh one when the database refuses the login, or has moved. */
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
      const [SecretId] = arn.split('#'); // see infra/config/secret-reference.ts
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

/** Exported for tests. The text of the secret stays out of every message. @param reference see infra/config/secret-reference.ts */
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
      ? 'Add it to the secret; or, of a secret that RDS manages, name it as `database` beside the ARN in the configuration.'
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
