/**
 * Credentials of databases from Secrets Manager: read once, kept for the life of the environment, and read again when a
 * database refuses them, so that a rotation needs no deployment. They never appear in messages.
 */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { rdsToken, TOKEN_SECONDS } from './rds-token.ts';

const Port = z.union([z.int(), z.string().regex(/^\d+$/)]).default(5432);

/** A login of the function's own IAM role: there is no password, only a name. */
const IamSecret = z.object({
  iam: z.literal(true),
  host: z.string().min(1),
  port: Port,
  username: z.string().min(1),
  dbname: z.string().min(1),
  /** That of the function when it is left out. */
  region: z.string().min(1).optional(),
});

/** As RDS writes it (and its rotation keeps it), a connection URL, or a login by IAM. */
const Secret = z.union([
  IamSecret,
  z.object({ url: z.string().regex(/^postgres(ql)?:\/\//) }),
  z.object({
    host: z.string().min(1),
    port: Port,
    username: z.string().min(1),
    password: z.string().min(1),
    dbname: z.string().min(1),
  }),
]);

interface Known {
  readonly url: string;
  /** A login by IAM ends some time, on the clock of `Date.now()`. */
  readonly untilMs: number;
}

/** Of a token's life, so that a connection can still be made with it. */
const TOKEN_USE_MS = (TOKEN_SECONDS * 1000) / 3;

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
      const { SecretString } = await this.#client.send(new GetSecretValueCommand({ SecretId: arn }));
      return SecretString ?? '';
    } catch (cause) {
      const name = cause instanceof Error ? cause.name : 'unknown error';
      throw new TimewarpError('SECRET_UNREADABLE', `The secret ${arn} cannot be read (${name}).`, { cause });
    }
  }
}

/** Exported for tests. The text of the secret stays out of every message. */
export function connectionUrl(
  secretText: string,
  arn: string,
  environment: NodeJS.ProcessEnv = process.env,
): Known {
  let parsed: unknown;
  try {
    parsed = JSON.parse(secretText);
  } catch {
    parsed = null;
  }
  const secret = Secret.safeParse(parsed);
  if (!secret.success) {
    throw new TimewarpError('SECRET_UNREADABLE', `The secret ${arn} does not have the form of credentials.`);
  }
  if ('url' in secret.data) return { url: secret.data.url, untilMs: Number.POSITIVE_INFINITY };
  const { host, port, username, dbname } = secret.data;
  const byIam = 'iam' in secret.data;
  const password = 'iam' in secret.data ? tokenFor(secret.data, environment) : secret.data.password;
  const [user, word, database] = [username, password, dbname].map(encodeURIComponent);
  return {
    url: `postgres://${user}:${word}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`,
    untilMs: byIam ? Date.now() + TOKEN_USE_MS : Number.POSITIVE_INFINITY,
  };
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
