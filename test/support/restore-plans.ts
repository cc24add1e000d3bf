/** Plans of restores over HTTP, made with a login that may only read the store, and their scripts run by psql. */
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from '../../core/pg/connection.ts';
import { createApp } from '../../http/app.ts';
import { Grants } from '../../http/grants.ts';
import type { TrackedNode } from './tracked-node.ts';

export interface RestorePlanOf {
  readonly source_asked: boolean;
  readonly tables: readonly object[];
  readonly conflicts: readonly object[];
  readonly refused: readonly { readonly reason: string }[];
  readonly notes: readonly string[];
  readonly sql: string | null;
}

export interface RestorePlans extends AsyncDisposable {
  /** @param claim the tables that the caller may read; missing: all */
  ask(body: unknown, claim?: string): Promise<{ status: number; document: Record<string, unknown> }>;
  /** Fails the test unless there is a plan. */
  plan(body: unknown): Promise<RestorePlanOf & { readonly sql: string }>;
}

export async function restorePlans(node: TrackedNode): Promise<RestorePlans> {
  const role = `reader_${node.node}`;
  await node.store.query(`CREATE ROLE ${role} LOGIN PASSWORD 'reader' IN ROLE pgtimewarp_reader`);
  const store = await connect(asRole(node.storeUrl, role, 'reader'), { side: 'store', node: node.node });
  const path = `/v1/nodes/${node.node}/restore-plans`;
  const ask: RestorePlans['ask'] = async (body, claim) => {
    const app = createApp({
      withStore: (question) => question(store),
      report: (error) => console.log(error),
      grantsOf: () => (claim === undefined ? null : new Grants(claim)),
    });
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await app.request(path, { method: 'POST', body: text });
    return { status: response.status, document: (await response.json()) as Record<string, unknown> };
  };
  return {
    ask,
    plan: async (body) => {
      const { status, document } = await ask(body);
      if (status !== 200 || document.sql === null) throw new Error(`no plan: ${JSON.stringify(document)}`);
      return document as unknown as RestorePlanOf & { readonly sql: string };
    },
    [Symbol.asyncDispose]: async () => {
      await store.end();
      await node.store.query(`DROP ROLE ${role}`);
    },
  };
}

export function asRole(url: string, role: string, password: string): string {
  const changed = new URL(url);
  changed.username = role;
  changed.password = password;
  return String(changed);
}

/** Rejects with what psql says. Its settings are not those of our sessions. */
export async function runByPsql(sql: string, url: string): Promise<void> {
  const file = join(tmpdir(), `restore-${process.pid}-${crypto.randomUUID()}.sql`);
  await writeFile(file, sql);
  try {
    await promisify(execFile)('psql', ['-X', '-q', '-f', file, url], {
      env: {
        ...process.env,
        PGOPTIONS: '-c DateStyle=German -c TimeZone=Asia/Kolkata -c bytea_output=escape',
      },
    });
  } finally {
    await rm(file);
  }
}
