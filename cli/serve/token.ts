/** The bearer token of `serve` (RFC 6750). Its digest is compared in constant time, so its length does not matter. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { isLocalHost } from '../../core/pg/tls.ts';

/**
 * The check of the Authorization header. It is undefined if no token is set; this is allowed only for a server that listens to
 * this machine alone. Throws BAD_FLAGS otherwise.
 */
export function authorization(
  host: string,
  token: string | undefined,
): ((header: string | undefined) => boolean) | undefined {
  if (token === undefined || token === '') {
    if (isLocalHost(host)) return undefined;
    throw new TimewarpError(
      'BAD_FLAGS',
      `--host ${host} can be reached from other machines, and no token is set.`,
      {
        remedy: 'Set PGTIMEWARP_TOKEN to a long random text that callers send as a bearer token.',
      },
    );
  }
  const expected = digest(token);
  return (header) => {
    const given = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
    return given !== undefined && timingSafeEqual(digest(given), expected);
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
