/**
 * An application that uses Bemi's package for Prisma as its README says, and nothing else of Bemi: each change has the context
 * that the application set. npm installs the packages into their own folder the first time.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { diff } from '../../core/query/diff.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { runTool } from '../support/run-tool.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const PACKAGES = ['@bemi-db/prisma@1.1.0', '@prisma/client@6.7.0', 'prisma@6.7.0'];
const FOLDER = join(tmpdir(), 'pgtimewarp-bemi-prisma-1.1.0');
const TIMEOUT_MS = 300_000;

const SCHEMA = `
generator client {
  provider        = "prisma-client-js"
  previewFeatures = ["driverAdapters", "queryCompiler"]
  output          = "../client"
}
datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL")
}
model todo {
  id   Int     @id
  task String
}
`;

const APPLICATION = `
import { PrismaPg, setBemiContext, withBemiExtension } from '@bemi-db/prisma';
import { PrismaClient } from './client/index.js';

const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL });
const prisma = withBemiExtension(new PrismaClient({ adapter }));
await prisma.todo.create({ data: { id: 1, task: 'nobody said' } });
setBemiContext({ user: 'ann', path: '/todo' });
await prisma.todo.create({ data: { id: 2, task: 'write' } });
await prisma.todo.createMany({ data: [{ id: 3, task: 'one' }, { id: 4, task: 'two' }] });
await prisma.$transaction(async (tx) => {
  setBemiContext({ user: 'bob' });
  await tx.todo.update({ where: { id: 2 }, data: { task: 'read' } });
  setBemiContext({ user: 'cid' });
  await tx.todo.delete({ where: { id: 2 } });
});
await prisma.$disconnect();
`;

/** Prisma does not use the engine that these variables name: the adapter connects to PostgreSQL. */
const ENGINES = {
  PRISMA_QUERY_ENGINE_LIBRARY: join(FOLDER, 'unused'),
  PRISMA_SCHEMA_ENGINE_BINARY: join(FOLDER, 'unused'),
};

async function inFolder(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const result = await runTool(program, args, {
    ...{ cwd: FOLDER, env: { ...ENGINES, ...env }, timeoutMs: TIMEOUT_MS },
  });
  if (result.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

async function install(): Promise<void> {
  if (existsSync(join(FOLDER, 'client'))) return;
  await mkdir(join(FOLDER, 'prisma'), { recursive: true });
  await writeFile(join(FOLDER, 'package.json'), '{"private": true, "type": "module"}');
  await writeFile(join(FOLDER, 'unused'), '');
  await writeFile(join(FOLDER, 'prisma', 'schema.prisma'), SCHEMA);
  await inFolder('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...PACKAGES]);
  await inFolder('npx', ['prisma', 'generate'], { DATABASE_URL: 'postgres://none' });
}

/** What Bemi's migration creates. Its command writes it into a file of Prisma. */
async function migration(): Promise<string> {
  await mkdir(join(FOLDER, 'prisma', 'migrations'), { recursive: true });
  const said = await inFolder('npx', ['bemi', 'migration:create']);
  return inFolder('cat', [/created: (.+)/.exec(said)![1]!]);
}

async function contextsOf(node: TrackedNode, pk: string) {
  const { changes } = await diff(node.store, {
    ...{ node: node.node, table: parseTableName('todo'), pk: keyFromText(pk) },
    ...{ from: null, to: null, limit: 10 },
  });
  return changes.map(({ op, contextText }) => [op, contextText === null ? null : JSON.parse(contextText)]);
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `Bemi's package for Prisma (${plugin})`, () => {
    test(
      'each change has the context that the application set',
      async () => {
        await install();
        await using node = await trackedNode({
          plugin,
          tables: 'CREATE TABLE todo (id int PRIMARY KEY, task text NOT NULL)',
          track: ['todo'],
        });
        await node.source.query(await migration());
        await writeFile(join(FOLDER, 'application.js'), APPLICATION);
        await inFolder(process.execPath, ['application.js'], { DATABASE_URL: node.sourceUrl });
        await node.poll();
        const ann = { user: 'ann', path: '/todo' };
        expect(await contextsOf(node, '1')).toEqual([['I', null]]);
        expect(await contextsOf(node, '2')).toEqual([
          ['I', expect.objectContaining(ann)],
          ['U', expect.objectContaining({ user: 'bob' })],
          ['D', expect.objectContaining({ user: 'cid' })],
        ]);
        expect(await contextsOf(node, '3')).toEqual([['I', expect.objectContaining(ann)]]);
        expect(await contextsOf(node, '4')).toEqual([['I', expect.objectContaining(ann)]]);
      },
      TIMEOUT_MS,
    );
  });
}
