/**
 * A proxy on which a connection goes silent without being closed after the client has sent a certain word, as with a NAT
 * gateway or a failed-over host, or all that are open go silent at once. Other and later connections work.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface MuteProxy extends AsyncDisposable {
  /** The URL of the server through this proxy. */
  readonly url: string;
  /** How many connections have gone silent. */
  readonly muted: () => number;
  /** Silences all connections that are open. */
  readonly forget: () => void;
}

/** @param word the first connections that send it go silent @param times how many connections go silent */
export async function muteProxy(serverUrl: string, word: string, times = 1): Promise<MuteProxy> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const silence = new Set<() => void>();
  let muted = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let isMute = false;
    silence.add(() => {
      isMute = true;
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    client.on('data', (chunk) => {
      if (!isMute && muted < times && chunk.includes(word)) {
        isMute = true;
        muted++;
      }
      if (!isMute) upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (!isMute) client.write(chunk);
    });
    client.on('close', () => {
      if (!isMute) upstream.destroy(); // otherwise the server does not receive it
    });
    upstream.on('close', () => {
      if (!isMute) client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(serverUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    muted: () => muted,
    forget: () => {
      for (const each of silence) each();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
