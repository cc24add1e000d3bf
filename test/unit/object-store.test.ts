/** A bucket that takes requests and falls silent must not keep a question waiting for ever. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ObjectStore } from '../../core/archive/object-store.ts';

let answer: (response: ServerResponse) => void;
const server = createServer((_, response) => answer(response));

beforeEach(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${port}`);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'id');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_REGION', 'us-east-1');
});
afterEach(() => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
});

test.each<[string, (response: ServerResponse) => void]>([
  ['before its answer', () => {}],
  [
    'in the middle of its answer',
    (response) => {
      response.writeHead(206, { 'content-length': '10', 'x-amz-meta-sha256': 'digest' }).write('12345');
    },
  ],
])(
  'a bucket that falls silent %s is unreachable',
  async (_, how) => {
    answer = how;
    const asked = new ObjectStore(200).getRange('s3://bucket/key', 'digest', [0, 10]);
    await expect(asked).rejects.toMatchObject({ code: 'ARCHIVE_UNREACHABLE' });
  },
  10_000,
);
