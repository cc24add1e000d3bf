/**
 * A gate in front of an HTTP server: a test decides about each request whether it passes, whether its answer does, or what is answered
 * instead. Host and headers stay as they were, so signatures stay valid.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type Verdict =
  | 'pass'
  /** The server does not receive it, and the client gets no answer. */
  | 'stop'
  /** The server receives and answers it; the client gets no answer. */
  | 'lose-answer'
  /** The server receives and answers it; the client gets this status instead. */
  | { readonly answer: number };

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
}

export interface HttpGate extends AsyncDisposable {
  readonly url: string;
  /** Decides from the next request on. */
  decide(judge: (seen: SeenRequest) => Verdict | Promise<Verdict>): void;
}

export async function httpGate(upstreamUrl: string): Promise<HttpGate> {
  const upstream = new URL(upstreamUrl);
  let judge: (seen: SeenRequest) => Verdict | Promise<Verdict> = () => 'pass';
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    if (incoming.headers.expect !== undefined) outgoing.writeContinue();
    const body = await buffer(incoming);
    const [method, path] = [incoming.method!, incoming.url!];
    const verdict = await judge({ method, path });
    if (verdict === 'stop') return void outgoing.destroy();
    const { expect: _, ...headers } = incoming.headers;
    const options = { host: upstream.hostname, port: upstream.port, method, path, headers };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request(options, resolve).on('error', reject).end(body);
    });
    const content = await buffer(answer);
    if (verdict === 'lose-answer') return void outgoing.destroy();
    if (verdict !== 'pass') return void outgoing.writeHead(verdict.answer).end();
    outgoing.writeHead(answer.statusCode!, answer.headers).end(content);
  };
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => outgoing.destroy()); // the client has ended
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    decide: (next) => {
      judge = next;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
