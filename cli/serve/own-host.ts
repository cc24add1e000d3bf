/**
 * Whether a request was sent to this machine by a name of this machine. A web page can let a name of its own resolve to
 * 127.0.0.1 and so read, as its own origin, what a server without a token answers there (DNS rebinding); the browser
 * then says that name in the Host header.
 */
import { isLocalHost } from '../../core/pg/tls.ts';

const HOST = /^(?:\[([\da-f:]+)\]|([\w.-]+))(?::\d+)?$/;

/** @param header the Host header (RFC 9110 section 7.2), which every request of HTTP/1.1 has */
export function isOwnHost(header: string | undefined): boolean {
  const match = HOST.exec((header ?? '').toLowerCase());
  return match !== null && isLocalHost((match[1] ?? match[2])!);
}
