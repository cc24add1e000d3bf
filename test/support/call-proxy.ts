/**
 * A proxy that counts the calls of a client to a server (a connection, a statement, the end of a COPY, the end of a session)
 * over all connections. It disturbs one of them: it delays it, or ends or silences its connection, before the server has
 * received the call or after the server has answered and before the client has the answer. Other connections work.
 */
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CallReader, isAnswered } from './wire.ts';

export const FAULTS = ['delayed', 'cut before', 'cut after', 'silent before', 'silent after'] as const;
export type Fault = (typeof FAULTS)[number];

export interface Strike {
  /** The number of the call to disturb, from 1. */
  readonly at: number;
  /** A function: the call waits until it has returned. */
  readonly fault: Fault | (() => Promise<unknown>);
}

export interface CallProxy extends AsyncDisposable {
  /** The URL of the server through this proxy. */
  readonly url: string;
  /** The number of calls so far. */
  readonly calls: () => number;
  /** When a connection went silent, by performance.now(); null: none did. */
  readonly silentSince: () => number | null;
}

const DELAY_MS = 300;

/** @param strike null: calls are only counted */
export async function callProxy(serverUrl: string, strike: Strike | null): Promise<CallProxy> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  let calls = 0;
  let silentSince: number | null = null;
  const onSilence = (): void => {
    silentSince ??= performance.now();
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = dial({ port: Number(target.port), host: target.hostname, allowHalfOpen: true });
    sockets.add(client).add(upstream);
    const nextFault = () => (++calls === strike?.at ? strike.fault : null);
    const link = new Link({ client, upstream }, nextFault, onSilence);
    for (const socket of [client, upstream]) socket.on('error', () => link.cut());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(serverUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    calls: () => calls,
    silentSince: () => silentSince,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One connection. */
class Link {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #nextFault: () => Strike['fault'] | null;
  readonly #onSilence: () => void;
  readonly #calls = new CallReader();
  #turn: Promise<void> = Promise.resolve();
  #isSilent = false;
  /** Called when the held-back answer is complete. */
  #onAnswer: (() => void) | null = null;
  #answer = Buffer.alloc(0);

  constructor(
    { client, upstream }: { readonly client: Socket; readonly upstream: Socket },
    nextFault: () => Strike['fault'] | null,
    onSilence: () => void,
  ) {
    this.#client = client;
    this.#upstream = upstream;
    this.#nextFault = nextFault;
    this.#onSilence = onSilence;
    client.on('data', (chunk) => {
      for (const part of this.#calls.read(chunk)) {
        this.#turn = this.#turn.then(() => this.#pass(part.bytes, part.isCall ? this.#nextFault() : null));
      }
    });
    client.on('end', () => {
      this.#turn = this.#turn.then(() => {
        if (!this.#isSilent) upstream.end();
      });
    });
    upstream.on('data', (chunk) => this.#hear(chunk));
    upstream.on('end', () => {
      if (!this.#isSilent) client.end();
    });
  }

  cut(): void {
    if (this.#isSilent) return; // neither side learns that the other has ended
    this.#client.destroy();
    this.#upstream.destroy();
  }

  async #pass(bytes: Buffer, fault: Strike['fault'] | null): Promise<void> {
    if (this.#isSilent) return;
    if (fault === 'cut before') return this.cut();
    if (fault === 'silent before') return this.#beSilent();
    if (fault === 'delayed') await sleep(DELAY_MS);
    if (typeof fault === 'function') await fault();
    if (fault === 'cut after') this.#onAnswer = () => this.cut();
    if (fault === 'silent after') this.#onAnswer = () => this.#beSilent();
    if (!this.#upstream.destroyed) this.#upstream.write(bytes);
  }

  #beSilent(): void {
    this.#isSilent = true;
    this.#onSilence();
  }

  #hear(chunk: Buffer): void {
    if (this.#isSilent) return;
    if (this.#onAnswer === null) {
      if (!this.#client.destroyed) this.#client.write(chunk);
      return;
    }
    this.#answer = Buffer.concat([this.#answer, chunk]);
    if (isAnswered(this.#answer)) this.#onAnswer();
  }
}
