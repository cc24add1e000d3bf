/**
 * Whether the Host header of a request names this machine. This prevents DNS rebinding: a web page lets its own name resolve to
 * 127.0.0.1 and reads the answers of a server without a token, as its own origin. The Host header then has the page's name.
 */
import { isLocalHost } from '../../core/pg/tls.ts';

const HOST = /^(?:\[([\da-f:]+)\]|([\w.-]+))(?::\d+)?$/;

/** @param header the Host header (RFC 9110 section 7.2), which every request of HTTP/1.1 has */
export function isOwnHost(header: string | undefined): boolean {
  const match = HOST.exec((header ?? '').toLowerCase());
  return match !== null && isLocalHost((match[1] ?? match[2])!);
}
