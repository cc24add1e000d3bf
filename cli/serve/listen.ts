/** The HTTP server of `serve`: listens, and ends when told to, without cutting answers off. */
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Hono } from 'hono';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { problemText } from '../../documents/problem.ts';
import { HTTP } from '../../http/http-status.ts';
import { PROBLEM_CONTENT, problem, type Refusal } from '../../http/problem.ts';

export interface Listening extends AsyncDisposable {
  readonly url: string;
}

const CLOSING_MS = 2_000;
const HEAD = Buffer.from('HEAD ');
/** What any route takes. */
const METHODS = 'GET, HEAD, POST, OPTIONS';

const NO_REQUEST: Refusal = {
  status: HTTP.badRequest,
  kind: 'error:BAD_FLAGS',
  title: 'The request is not well-formed',
  detail: 'This is not HTTP, or its URL or Host header is not one.',
};
const TOO_LONG: Refusal = {
  status: HTTP.headersTooLarge,
  kind: 'too-large',
  title: 'The request is too large',
  detail: 'URL and headers are longer than 16 kB together.',
};
const TOO_SLOW: Refusal = {
  status: HTTP.timeout,
  kind: 'timeout',
  title: 'The request took too long',
  detail: 'It did not come to its end in time.',
};
const NO_TUNNEL: Refusal = {
  status: HTTP.methodNotAllowed,
  kind: 'method-not-allowed',
  title: 'The method is not allowed',
  detail: 'CONNECT is not allowed here: this is no proxy.',
};
const UNEXPECTED: Refusal = {
  status: HTTP.expectationFailed,
  kind: 'expectation-failed',
  title: 'The expectation cannot be met',
  detail: 'Of the header Expect, 100-continue is all that is understood.',
};

/** Port 0 takes any free one. Throws BAD_FLAGS when host or port cannot be had. */
export async function listen(app: Hono, { host, port }: { host: string; port: number }): Promise<Listening> {
  const answer = getRequestListener(app.fetch, {
    errorHandler: (error) => (error instanceof RequestError ? problem(NO_REQUEST) : undefined),
  });
  // a request without a Host header gets our problem, and not an empty body
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    if (!hasOneHost(request)) return send(response, NO_REQUEST, { connection: 'close' });
    if (request.method === 'OPTIONS' && request.url === '*') {
      return void response.writeHead(HTTP.noContent, { allow: METHODS }).end();
    }
    void answer(request, response);
  });
  server.on('clientError', refuse);
  server.on('connect', (_request, socket) => write(socket, NO_TUNNEL, { allow: METHODS }));
  server.on('checkExpectation', (_request, response) => send(response, UNEXPECTED, { connection: 'close' }));
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
 * Whether the request says which host it is for, once (RFC 9112 section 3.2). Where its target is a whole URL, the host
 * there counts, and the header is made to say the same (section 3.2.2).
 */
function hasOneHost(request: IncomingMessage): boolean {
  const hosts = request.headersDistinct.host ?? [];
  if (hosts.length > 1 || (hosts.length === 0 && request.httpVersion === '1.1')) return false;
  const url = request.url ?? '';
  if (!/^https?:\/\//i.test(url)) return true;
  if (!URL.canParse(url)) return false;
  const { host } = new URL(url);
  request.headers.host = host;
  const at = request.rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  if (at === -1) request.rawHeaders.push('Host', host);
  else request.rawHeaders[at + 1] = host;
  return true;
}

function send(response: ServerResponse, refusal: Refusal, headers: Record<string, string>): void {
  const text = problemText(refusal);
  response
    .writeHead(refusal.status, {
      'content-type': PROBLEM_CONTENT,
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      ...headers,
    })
    .end(response.req.method === 'HEAD' ? undefined : text);
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
  const isHead = error.rawPacket?.subarray(0, HEAD.length).equals(HEAD) === true;
  write(socket, REFUSALS[error.code ?? ''] ?? NO_REQUEST, {}, isHead);
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: TOO_LONG,
  ERR_HTTP_REQUEST_TIMEOUT: TOO_SLOW,
};

/** A whole response on a connection of which there is no request. */
function write(
  socket: Duplex,
  refusal: Refusal,
  headers: Record<string, string>,
  withoutContent = false,
): void {
  const text = problemText(refusal);
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    `content-type: ${PROBLEM_CONTENT}`,
    `content-length: ${Buffer.byteLength(text)}`,
    'cache-control: no-store',
    'connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${withoutContent ? '' : text}`);
}
