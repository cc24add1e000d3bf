/**
 * schemathesis, with all its checks, against `serve` and its document: requests that the document allows are answered, all
 * others are refused, and the document describes every answer. `SCHEMATHESIS_EXAMPLES` is the number of requests for each
 * operation, `SCHEMATHESIS_SEED` repeats a run,
 * `SCHEMATHESIS_PATHS` is a pattern of the paths that it asks for.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runTool } from '../support/run-tool.ts';
import { startServe } from '../support/serve.ts';
import { trackedNode } from '../support/tracked-node.ts';
import { isExplained, readEvents } from './findings.ts';
import { installSchemathesis } from './install.ts';
import { REASONS } from './reasons.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OUT = join(ROOT, 'test-output/schemathesis');
const EXAMPLES = process.env.SCHEMATHESIS_EXAMPLES ?? '100';
const PATHS = process.env.SCHEMATHESIS_PATHS;
const SEED = process.env.SCHEMATHESIS_SEED ?? String(Math.floor(Math.random() * 2 ** 31));
const TOKEN = 'a-token-for-schemathesis';
/** A request may wait for await_lsn, for ten seconds at most. */
const MAX_SECONDS = '20';
const LIMIT_MS = 1_700_000;

test(`finds only failures with a reason (seed ${SEED})`, async () => {
  const program = await installSchemathesis();
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE orders (id int PRIMARY KEY, total numeric, note text);
      CREATE TABLE "v1.items" (region text, id bigint, data jsonb, PRIMARY KEY (region, id));
      INSERT INTO orders SELECT n, n FROM generate_series(1, 20) n;
      INSERT INTO "v1.items" VALUES ('eu', 7, '{"a": [1, 2.50]}')`,
    track: ['orders', '"v1.items"'],
  });
  for (let round = 0; round < 5; round++) {
    await node.source.query(
      `UPDATE orders SET total = total + 1.5; UPDATE "v1.items" SET data = data || '{"round": ${round}}'`,
    );
  }
  await node.source.query('DELETE FROM orders WHERE id = 3');
  await node.catchUp();
  const { rows } = await node.store.query<{ lsn: string }>(
    'SELECT max(m.lsn)::text AS lsn FROM pgtimewarp.lsn_time_map AS m WHERE m.xid IS NOT NULL',
  );
  await using server = await startServe(
    ['--every', '1h'],
    { ...node.env, PGTIMEWARP_TOKEN: TOKEN },
    LIMIT_MS,
  );
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  const document = await (await fetch(`${server.url}/openapi.json`, bearer())).text();
  writeFileSync(join(OUT, 'openapi.json'), document);
  writeFileSync(join(OUT, 'schemathesis.toml'), configuration(node.node, rows[0]!.lsn.replace('/', '-')));
  const { code, stdout, stderr } = await runTool(program, commandLine(server.url), {
    cwd: OUT,
    timeoutMs: LIMIT_MS,
  });
  console.log(stdout.slice(-3000));
  const [report] = readdirSync(join(OUT, 'report'));
  const lines = readFileSync(join(OUT, 'report', report!), 'utf8')
    .split('\n')
    .filter(Boolean);
  const { requests, findings, errors } = readEvents(lines);
  const unexplained = findings.filter((finding) => !isExplained(finding, REASONS));
  console.log(`${requests} requests, ${findings.length} findings, ${unexplained.length} without a reason`);
  expect(errors).toEqual([]);
  expect(unexplained).toEqual([]);
  expect([0, 1], stderr).toContain(code); // exit status 1: it found something
  expect(requests).toBeGreaterThan(100);
}, 1_800_000);

function bearer(): RequestInit {
  return { headers: { authorization: `Bearer ${TOKEN}` } };
}

function commandLine(url: string): string[] {
  return [
    ...['--config-file', 'schemathesis.toml', 'run', 'openapi.json', '--url', url, '--no-color'],
    ...['--header', `Authorization: Bearer ${TOKEN}`, '--checks', 'all', '--continue-on-failure'],
    ...['--max-examples', EXAMPLES, '--seed', SEED, '--workers', '1', '--generation-database', 'none'],
    ...['--max-response-time', MAX_SECONDS, '--request-timeout', MAX_SECONDS, '--no-shrink'],
    ...['--report', 'ndjson', '--report-dir', 'report'],
    ...(PATHS === undefined ? [] : ['--include-path-regex', PATHS]),
  ];
}

/** Most requests ask for something that exists. @param committed the LSN of a transaction, as a segment of a path */
function configuration(node: string, committed: string): string {
  return `
[dictionaries.nodes]
values = ['${node}']
[dictionaries.tables]
values = ['public.orders', 'public."v1.items"']
[dictionaries.keys]
values = ['1', '3', '{"id": 2}', '{"region": "eu", "id": 7}']
[dictionaries.awaited]
values = ['0/1']
[dictionaries.committed]
values = ['${committed}']
[dictionaries.seconds]
values = [0, 1]
[parameters]
"path.node" = { dictionary = 'nodes', probability = 0.8 }
"path.table" = { dictionary = 'tables', probability = 0.8 }
"path.lsn" = { dictionary = 'committed', probability = 0.7 }
"query.table" = { dictionary = 'tables', probability = 0.8 }
"query.pk" = { dictionary = 'keys', probability = 0.7 }
"query.await_lsn" = { dictionary = 'awaited', probability = 0.9 }
"query.await_seconds" = { dictionary = 'seconds', probability = 0.9 }
`;
}
