/**
 * One PostgreSQL server for the whole run, shared by all projects that need it. With TEST_KEEP=1 it stays after the run with
 * the databases of the tests, so that they can be inspected.
 */
import type { TestProject } from 'vitest/node';
import { chooseServer } from './choose-server.ts';
import type { ServerInfo } from './server-info.ts';
import { prepareStoreTemplate } from './store-template.ts';
import { startTestServer, type TestServer } from './test-server.ts';

interface SharedServer {
  readonly server: TestServer;
  readonly info: ServerInfo;
}

// Each project evaluates this module for itself, so shared state is kept on the process.
const shared = globalThis as {
  pgtimewarpTestServer?: Promise<SharedServer>;
  pgtimewarpTestServerUsers?: number;
};

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.pgtimewarpTestServer ??= startShared();
  shared.pgtimewarpTestServerUsers = (shared.pgtimewarpTestServerUsers ?? 0) + 1;
  const { server, info } = await shared.pgtimewarpTestServer;
  project.provide('server', info);
  return async () => {
    shared.pgtimewarpTestServerUsers = (shared.pgtimewarpTestServerUsers ?? 1) - 1;
    if (shared.pgtimewarpTestServerUsers > 0) return;
    delete shared.pgtimewarpTestServer;
    if (process.env.TEST_KEEP === '1') {
      console.log(`TEST_KEEP: the server goes on at ${info.adminUrl}\nto end it: ${await server.keep()}`);
    } else {
      await server[Symbol.asyncDispose]();
    }
  };
}

async function startShared(): Promise<SharedServer> {
  const choice = await chooseServer();
  const server = await startTestServer(choice);
  const { kind, version, hasWal2json } = server;
  const plugins = hasWal2json ? 'with wal2json' : 'WITHOUT wal2json';
  console.log(`tests use PostgreSQL ${version} (${kind}, ${plugins}): ${choice.why}`);
  try {
    const adminUrl = server.url();
    const storeTemplate = await prepareStoreTemplate(adminUrl);
    const { binDir } = choice.binaries;
    return { server, info: { kind, version, hasWal2json, binDir, adminUrl, storeTemplate } };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
