/** A tracked node whose source has the SQL functions, installed and connected by the commands. */

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { connectStore } from '../../cli/extension/connect-store.ts';
import { install, type Method } from '../../cli/extension/methods.ts';
import { databaseUrl } from '../../cli/servers/databases.ts';
import { connectForTest } from './test-client.ts';
import type { TestDatabases } from './test-databases.ts';

export interface Notice {
  readonly code: string;
  readonly message: string;
}

export interface SqlSource extends AsyncDisposable {
  /** The login with which the source reads the store. */
  readonly reader: string;
  readonly password: string;
  /** WARNINGs since the last call, of `databases.source`. */
  warnings(): Notice[];
}

/** Dispose of it after the databases, because roles belong to the server. */
export async function sqlSource(databases: TestDatabases, method: Method = 'plain'): Promise<SqlSource> {
  const reader = `reader_${randomBytes(5).toString('hex')}`;
  const password = randomBytes(12).toString('base64url');
  const { source, store, storeUrl, node } = databases;
  await store.query(`CREATE ROLE ${reader} LOGIN PASSWORD '${password}' IN ROLE pgtimewarp_reader`);
  await install(source, method, 'public');
  await source.query('SET pg_stat_statements.track = none').catch(() => {});
  const url = new URL(storeUrl);
  await connectStore(source, 'public', {
    host: url.hostname,
    port: Number(url.port),
    database: url.pathname.slice(1),
    reader,
    password,
    node,
    sslMode: null,
    sslRootCert: null,
  });
  let notices: Notice[] = [];
  source.on('notice', ({ severity, code, message }) => {
    if (severity === 'WARNING') notices.push({ code: code ?? '', message: message ?? '' });
  });
  return {
    reader,
    password,
    warnings: () => {
      const seen = notices;
      notices = [];
      return seen;
    },
    [Symbol.asyncDispose]: async () => {
      const admin = await connectForTest(databaseUrl(storeUrl, 'postgres'));
      try {
        await admin.query(`DROP ROLE ${pg.escapeIdentifier(reader)}`);
      } finally {
        await admin.end();
      }
    },
  };
}

/** `SQLSTATE: message` of a failing statement; `null` if it does not fail. */
export async function failure(
  session: pg.Client,
  sql: string,
  values: unknown[] = [],
): Promise<string | null> {
  try {
    await session.query(sql, values);
    return null;
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint?: string };
    return `${code}: ${message}${hint === undefined ? '' : ` (${hint})`}`;
  }
}
