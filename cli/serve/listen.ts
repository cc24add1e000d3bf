/** The HTTP server of `serve`: listens, and ends when told to, without cutting answers off. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

export interface Listening extends AsyncDisposable {
  readonly url: string;
}

const CLOSING_MS = 2_000;

/** Port 0 takes any free one. Throws BAD_FLAGS when host or port cannot be had. */
export async function listen(app: Hono, { host, port }: { host: string; port: number }): Promise<Listening> {
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
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
