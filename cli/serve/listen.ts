/** The HTTP server of `serve`. When it is disposed of, it finishes its answers first. */
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
/** All methods that any route accepts. */
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
  detail: 'The request did not arrive completely in time.',
};
const NO_TUNNEL: Refusal = {
  status: HTTP.methodNotAllowed,
  kind: 'method-not-allowed',
  title: 'The method is not allowed',
  detail: 'CONNECT is not allowed: this server is not a proxy.',
};
const UNEXPECTED: Refusal = {
  status: HTTP.expectationFailed,
  kind: 'expectation-failed',
  title: 'The expectation cannot be met',
  detail: 'The header Expect may only have the value 100-continue.',
};

/** Listens; port 0 takes any free one. Throws BAD_FLAGS when host or port cannot be used. */
export async function listen(app: Hono, { host, port }: { host: string; port: number }): Promise<Listening> {
  const answer = getRequestListener(app.fetch, {
    errorHandler: (error) => (error instanceof RequestError ? problem(NO_REQUEST) : undefined),
  });
  // so that a request without a Host header gets our problem, not an empty body
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    if (!hasOneHost(request)) return send(response, NO_REQUEST, { connection: 'close' });
    if (request.method === 'OPTIONS' && request.url === '*') {
      return void response.writeHead(HTTP.noContent, { allow: METHODS }).end();
    }
    void answer(request, response);
  });
  server.on('clientError', refuse);
  server.on('connect', (_request, socket) => write(socket, NO_TUNNEL, { headers: { allow: METHODS } }));
  server.on('checkExpectation', (_request, response) => send(response, UNEXPECTED, { connection: 'close' }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new TimewarpError(
          'BAD_FLAGS',
          `Cannot listen on ${host}:${port} (${(cause as NodeJS.ErrnoException).code}).`,
          {
            cause,
            remedy: 'Use another --port or --host.',
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
 * Whether the request names its host exactly once (RFC 9112 section 3.2). If its target is a whole URL, the host of the URL
 * counts and replaces that of the header (section 3.2.2).
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
 * Answers bytes that are not an HTTP request, and requests with too long headers; neither reaches the app. HEAD gets no content
 * (RFC 9110, 9.3.2), if the unreadable packet shows that the method is HEAD.
 */
function refuse(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const isHead = error.rawPacket?.subarray(0, HEAD.length).equals(HEAD) === true;
  write(socket, REFUSALS[error.code ?? ''] ?? NO_REQUEST, { withoutContent: isHead });
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: TOO_LONG,
  ERR_HTTP_REQUEST_TIMEOUT: TOO_SLOW,
};

/** Writes a whole response to a connection for which Node has no request object. */
function write(
  socket: Duplex,
  refusal: Refusal,
  {
    headers = {},
    withoutContent = false,
  }: { readonly headers?: Record<string, string>; readonly withoutContent?: boolean },
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
