/** Clients that third-party generators make from our document compile, and work with the real server. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runTool } from '../support/run-tool.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OUT = join(ROOT, 'test-output/clients');
const DOCUMENT = './http/openapi.json';
const TOKEN = 'a-token-for-clients';

const GENERATORS = [
  ['oazapfts', ['oazapfts', DOCUMENT, join(OUT, 'oazapfts.ts')]],
  [
    'typescript-codegen',
    ['openapi', '--input', DOCUMENT, '--output', join(OUT, 'typescript-codegen'), '--client', 'fetch'],
  ],
] as const;

let node: TrackedNode;
let server: ServeProcess;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE "v1.orders" (id int PRIMARY KEY, total int); INSERT INTO "v1.orders" VALUES (1, 1)`,
    track: ['"v1.orders"'],
  });
  await node.source.query('UPDATE "v1.orders" SET total = 2');
  await node.catchUp();
  server = await startServe(['--every', '1h'], { ...node.env, PGTIMEWARP_TOKEN: TOKEN });
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

test.each(GENERATORS)(
  '%s',
  async (name, [generator, ...args]) => {
    const bin = (tool: string): string => join(ROOT, 'node_modules/.bin', tool);
    const run = async (tool: string, ...rest: string[]): Promise<void> => {
      const { code, stdout, stderr } = await runTool(bin(tool), rest, { cwd: ROOT, timeoutMs: 120_000 });
      expect(code, stdout + stderr).toBe(0);
    };
    await run(generator, ...args);
    const project = join(OUT, `${name}.tsconfig.json`);
    writeFileSync(project, JSON.stringify(tsconfig(join(ROOT, `test/clients/use-${name}.ts`))));
    await run('tsc', '-p', project);
    const outfile = join(OUT, `${name}.mjs`);
    await build({
      ...{ entryPoints: [join(ROOT, `test/clients/use-${name}.ts`)], outfile },
      ...{ bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' },
    });
    const { ask } = (await import(pathToFileURL(outfile).href)) as {
      ask: (baseUrl: string, token: string, node: string) => Promise<unknown>;
    };
    expect(await ask(server.url, TOKEN, node.node)).toEqual({
      table: `/v1/nodes/${node.node}/tables/public.%22v1.orders%22`,
      total: 2,
      reason: 'not_yet_inserted',
      changes: 1,
      answers: 2,
      rows: 1,
      was: 1,
      commits: 1,
      updates: 1,
    });
  },
  180_000,
);

/** The strictest settings that a program with such a client may use. */
function tsconfig(entry: string): object {
  const compilerOptions = {
    ...{ strict: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: false },
    ...{ target: 'es2023', module: 'esnext', moduleResolution: 'bundler', types: [] },
    ...{ lib: ['es2023', 'dom', 'dom.iterable'], allowImportingTsExtensions: true },
  };
  return { compilerOptions, include: [entry] };
}
