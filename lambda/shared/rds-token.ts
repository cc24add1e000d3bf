/**
 * Makes the password for a login to RDS and Aurora by IAM: a signed request to `rds-db` that is never sent (RDS User Guide, "IAM
 * database authentication"; AWS Signature Version 4, query parameters). The signer of the SDK would add code for every source of
 * credentials, but a function needs only its environment.
 */
import { createHash, createHmac } from 'node:crypto';

export interface TokenRequest {
  readonly host: string;
  readonly port: number | string;
  readonly username: string;
  readonly region: string;
}

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** Servers accept a token for 15 minutes. Sessions opened with it stay open. */
export const TOKEN_SECONDS = 900;

/** @param time as `20260131T094100Z` */
export function rdsToken(request: TokenRequest, credentials: AwsCredentials, time: string): string {
  const { host, port, username, region } = request;
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/rds-db/aws4_request`;
  const parameters: Record<string, string> = {
    Action: 'connect',
    DBUser: username,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${credentials.accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(TOKEN_SECONDS),
    ...(credentials.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': credentials.sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  };
  const query = Object.keys(parameters)
    .sort()
    .map((name) => `${name}=${encode(parameters[name]!)}`)
    .join('&');
  const canonical = ['GET', '/', query, `host:${host}:${port}\n`, 'host', sha256('')].join('\n');
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = [day, region, 'rds-db', 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => hmac(secret, part),
    `AWS4${credentials.secretAccessKey}`,
  );
  return `${host}:${port}/?${query}&X-Amz-Signature=${hmac(key, text).toString('hex')}`;
}

/** Everything but the unreserved characters of RFC 3986. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
