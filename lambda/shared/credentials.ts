/**
 * Credentials of databases from Secrets Manager: read once, kept for the life of the environment, and read again when a
 * database refuses them, so that a rotation needs no deployment. They never appear in messages.
 */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { z } from 'zod';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

/** As RDS writes it (and its rotation keeps it), or a connection URL. */
const Secret = z.union([
  z.object({ url: z.string().regex(/^postgres(ql)?:\/\//) }),
  z.object({
    host: z.string().min(1),
    port: z.union([z.int(), z.string().regex(/^\d+$/)]).default(5432),
    username: z.string().min(1),
    password: z.string().min(1),
    dbname: z.string().min(1),
  }),
]);

export class Credentials {
  readonly #client: SecretsManagerClient;
  readonly #urls = new Map<string, string>();

  constructor(client = new SecretsManagerClient({})) {
    this.#client = client;
  }

  /** The connection URL of a secret. Throws SECRET_UNREADABLE. */
  async url(arn: string): Promise<string> {
    const known = this.#urls.get(arn);
    if (known !== undefined) return known;
    const url = connectionUrl(await this.#read(arn), arn);
    this.#urls.set(arn, url);
    return url;
  }

  /** Makes the next `url` read the secret again. */
  forget(arn: string): void {
    this.#urls.delete(arn);
  }

  /** Does `work` with the URL, and once more with a fresh one when the database refuses the login. */
  async withUrl<T>(arn: string, work: (url: string) => Promise<T>): Promise<T> {
    try {
      return await work(await this.url(arn));
    } catch (error) {
      if (!(error instanceof TimewarpError) || error.code !== 'AUTHENTICATION_FAILED') throw error;
      this.forget(arn);
      return await work(await this.url(arn));
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
export function connectionUrl(secretText: string, arn: string): string {
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
  if ('url' in secret.data) return secret.data.url;
  const { host, port, username, password, dbname } = secret.data;
  const [user, word, database] = [username, password, dbname].map(encodeURIComponent);
  return `postgres://${user}:${word}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`;
}
