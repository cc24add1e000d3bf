/**
 * A source and a store for one test on the shared server. Disposing of them leaves nothing on the server (sessions, slots,
 * prepared transactions, databases), whatever the test did. With TEST_KEEP=1 they stay, and their URLs are printed.
 */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { createDatabase, databaseUrl, dropDatabase } from '../../cli/servers/databases.ts';
import { serverInfo } from './server-info.ts';
import { connectForTest } from './test-client.ts';

export interface TestDatabasesOptions {
  /** SQL for the source, run first. */
  readonly tables?: string;
  /** `migrated` has the present schema, `empty` has none. */
  readonly store?: 'migrated' | 'empty';
  /** A server other than that of the run, as superuser; its store must be `empty`. */
  readonly adminUrl?: string;
}

export interface TestDatabases extends AsyncDisposable {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  /** Names that no other test uses: slots belong to the whole server. */
  readonly node: string;
  readonly slot: string;
  readonly publication: string;
  /** The environment with which the command line finds these databases. */
  readonly env: Readonly<Record<string, string>>;
  /** Superuser sessions (see {@link connectForTest}). */
  readonly source: pg.Client;
  readonly store: pg.Client;
  /** An additional session of this kind, ended together with the others. */
  connect(database: 'source' | 'store'): Promise<pg.Client>;
}

export async function testDatabases(options: TestDatabasesOptions = {}): Promise<TestDatabases> {
  const adminUrl = options.adminUrl ?? serverInfo().adminUrl;
  const id = randomBytes(5).toString('hex');
  const names = { source: `source_${id}`, store: `store_${id}` };
  const urls = { source: databaseUrl(adminUrl, names.source), store: databaseUrl(adminUrl, names.store) };
  const clients: pg.Client[] = [];
  const connect = async (database: 'source' | 'store'): Promise<pg.Client> => {
    const client = await connectForTest(urls[database]);
    clients.push(client);
    return client;
  };
  const dispose = async (): Promise<void> => {
    await Promise.all(clients.splice(0).map((client) => client.end()));
    if (process.env.TEST_KEEP === '1') {
      console.log(`TEST_KEEP: source ${urls.source}\n           store  ${urls.store}`);
      return;
    }
    await Promise.all([dropDatabase(adminUrl, names.source), dropDatabase(adminUrl, names.store)]);
  };
  try {
    await createDatabase(adminUrl, names.source);
    await createDatabase(
      adminUrl,
      names.store,
      options.store === 'empty' ? undefined : serverInfo().storeTemplate,
    );
    const source = await connect('source');
    const store = await connect('store');
    if (options.tables !== undefined) await source.query(options.tables);
    const node = `t_${id}`;
    const env = {
      PGTIMEWARP_SOURCE_URL: urls.source,
      PGTIMEWARP_STORE_URL: urls.store,
      PGTIMEWARP_NODE: node,
    };
    const own = { node, slot: `pgtimewarp_${node}`, publication: `pgtimewarp_${node}` };
    return {
      ...own,
      env,
      sourceUrl: urls.source,
      storeUrl: urls.store,
      source,
      store,
      connect,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
