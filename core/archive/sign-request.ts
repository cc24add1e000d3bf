/** Signs a request with AWS Signature Version 4, as Glue's catalog wants it, by AWS's own library. */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';

export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface SigningScope {
  readonly service: string;
  readonly region: string;
  keys(): Promise<SigningKeys>;
}

/** The library takes any implementation of SHA-256; with a secret it is an HMAC. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      secret === undefined
        ? createHash('sha256')
        : createHmac('sha256', secret as string | NodeJS.ArrayBufferView);
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(data as string | NodeJS.ArrayBufferView);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    throw new Error('a hash is used once');
  }
}

/** The headers that a request needs beside its own. Its URL must be percent-encoded already. */
export async function signRequest(
  request: { readonly method: string; readonly url: URL; readonly body: string },
  { service, region, keys }: SigningScope,
): Promise<Record<string, string>> {
  const { method, url, body } = request;
  const signer = new SignatureV4({ service, region, credentials: keys, sha256: Sha256 });
  const signed = await signer.sign({
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { host: url.host },
    body,
  });
  const { host: _, ...headers } = signed.headers; // fetch sends the host itself
  return headers;
}
