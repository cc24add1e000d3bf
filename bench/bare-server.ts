/**
 * What the HTTP API is compared with: the least that answers a key over HTTP. One SELECT by primary key in a pool of
 * sessions, and JSON out. `node bench/bare-server.ts STORE_URL` prints its address and lives until it is ended.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.argv[2], max: 8 });

async function answer(key: string | null, response: ServerResponse): Promise<void> {
  const { rows } = await pool.query({
    name: 'by_key',
    text: 'SELECT aid, bid, abalance, filler FROM public.accounts_now WHERE aid = $1::int',
    values: [key],
  });
  response.writeHead(rows.length === 1 ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(rows[0] ?? null));
}

const server = createServer((request, response) => {
  const key = new URL(request.url ?? '/', 'http://any').searchParams.get('pk');
  answer(key, response).catch((error: unknown) => {
    response.writeHead(500);
    response.end(String(error));
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
