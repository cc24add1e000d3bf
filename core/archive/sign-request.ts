/** Signs a request with AWS Signature Version 4 (AWS's IAM user guide, "Create a signed AWS API request"): Glue's catalog needs it. */
import { createHmac } from 'node:crypto';
import { sha256 } from './write-parquet.ts';

export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface SigningScope {
  readonly service: string;
  readonly region: string;
  /** Seconds, by the clock of this machine. */
  readonly now: Date;
}

/** The headers that a request needs beside its own. Its URL must be percent-encoded already. */
export function signRequest(
  request: { readonly method: string; readonly url: URL; readonly body: string },
  keys: SigningKeys,
  { service, region, now }: SigningScope,
): Record<string, string> {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  const day = time.slice(0, 8);
  const digest = sha256(Buffer.from(request.body));
  const signed: Record<string, string> = {
    host: request.url.host,
    'x-amz-content-sha256': digest,
    'x-amz-date': time,
    ...(keys.sessionToken === undefined ? {} : { 'x-amz-security-token': keys.sessionToken }),
  };
  const names = Object.keys(signed).sort();
  // each segment is encoded once more, except by S3 (same guide, "canonical URI")
  const path = request.url.pathname.split('/').map(encode).join('/');
  const query = [...request.url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const canonical = [
    ...[request.method, path, query, ...names.map((name) => `${name}:${signed[name]}`), ''],
    ...[names.join(';'), digest],
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(Buffer.from(canonical))].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${keys.secretAccessKey}`,
  );
  const signature = createHmac('sha256', key).update(toSign).digest('hex');
  const { host: _, ...headers } = signed; // fetch sends the host itself
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
