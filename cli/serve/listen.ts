/** The HTTP server of `serve`: listens, and ends when told to, without cutting answers off. */
import { createServer, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Hono } from 'hono';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { HTTP } from '../../lambda/api/http-status.ts';
import { PROBLEM_CONTENT, problem, problemText } from '../../lambda/api/problem.ts';

export interface Listening extends AsyncDisposable {
  readonly url: string;
}

const CLOSING_MS = 2_000;
const HEAD = Buffer.from('HEAD ');

const NO_REQUEST = {
  status: HTTP.badRequest,
  kind: 'error:BAD_FLAGS',
  title: 'The request is not well-formed',
  detail: 'This is not HTTP, or its URL or Host header is not one.',
} as const;
const TOO_LONG = {
  status: HTTP.headersTooLarge,
  kind: 'too-large',
  title: 'The request is too large',
  detail: 'URL and headers are longer than 16 kB together.',
} as const;

/** Port 0 takes any free one. Throws BAD_FLAGS when host or port cannot be had. */
export async function listen(app: Hono, { host, port }: { host: string; port: number }): Promise<Listening> {
  const server = createServer(
    getRequestListener(app.fetch, {
      errorHandler: (error) => (error instanceof RequestError ? problem(NO_REQUEST) : undefined),
    }),
  );
  server.on('clientError', refuse);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new TimewarpError(
          'BAD_FLAGS',
          `Cannot listen on ${host}:${port} (${(cause as NodeJS.ErrnoException).code}).`,
          {
            cause,
            remedy: 'Name another --port or --host.',
          },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http://${name}:${address.port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), CLOSING_MS).unref();
      }),
  };
}

/**
 * What is no HTTP request, or has more header than a request may have, never reaches the app. To HEAD goes no content
 * (RFC 9110, 9.3.2), as far as its method can be seen: in the packet that could not be read.
 */
function refuse(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const members = error.code === 'HPE_HEADER_OVERFLOW' ? TOO_LONG : NO_REQUEST;
  const text = problemText(members);
  const head = [
    `HTTP/1.1 ${members.status} ${STATUS_CODES[members.status]}`,
    `content-type: ${PROBLEM_CONTENT}`,
    `content-length: ${Buffer.byteLength(text)}`,
    'cache-control: no-store',
    'connection: close',
  ];
  const isHead = error.rawPacket?.subarray(0, HEAD.length).equals(HEAD) === true;
  socket.end(`${head.join('\r\n')}\r\n\r\n${isHead ? '' : text}`);
}
