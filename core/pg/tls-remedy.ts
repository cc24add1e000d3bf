/** What to do when a server cannot be reached because of its encryption: it answers, so host, port and firewall are right. */

/** Names of Node's errors for a certificate that nothing vouches for. */
const UNKNOWN_AUTHORITY = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/** Undefined: encryption is not the cause. */
export function tlsRemedy(error: unknown, side: 'source' | 'store'): string | undefined {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  if (message === 'The server does not support SSL connections')
    return `Turn on ssl there, or, in a network that you trust, end the URL of --${side} with ?sslmode=disable.`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `Name the host in --${side} as its certificate does.`;
  if (code !== undefined && UNKNOWN_AUTHORITY.has(code)) {
    return `End the URL of --${side} with ?sslrootcert=FILE (the authority of the server, in PEM) or, in a network that you trust, with ?sslmode=no-verify.`;
  }
  return undefined;
}
