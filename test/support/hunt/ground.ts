/**
 * The databases of hunts: a source and a store, a node for each plugin, and separate roles, a tablespace and an access method.
 * Disposing of it leaves nothing on the server.
 */

import { databaseUrl } from '../../../cli/servers/databases.ts';
import type { LocalServer } from '../../../cli/servers/start-server.ts';
import { init } from '../../../core/setup/init.ts';
import { publicationName } from '../../../core/source/publication/publication.ts';
import type { Plugin } from '../../../core/types/plugin.ts';
import { PLUGINS } from '../plugins.ts';
import { serverInfo } from '../server-info.ts';
import { connectForTest } from '../test-client.ts';
import { type TestDatabases, testDatabases } from '../test-databases.ts';
import { type NodePlace, plainAgain } from './node-steps.ts';
import type { Ground } from './place.ts';

export interface HuntNode {
  readonly node: string;
  readonly plugin: Plugin;
}

export interface HuntGround extends Ground, NodePlace, AsyncDisposable {
  readonly databases: TestDatabases;
  readonly nodes: readonly HuntNode[];
  /** The roles that runs use, by name. */
  readonly sourceUrl: string;
  readonly storeUrl: string;
}

/** @param server a server other than that of the run */
export async function openGround(server: LocalServer | null): Promise<HuntGround> {
  const adminUrl = server?.url() ?? serverInfo().adminUrl;
  const hasWal2json = server?.hasWal2json ?? serverInfo().hasWal2json;
  const databases = await testDatabases({ adminUrl, store: server === null ? 'migrated' : 'empty' });
  const id = databases.node;
  const roles = { owner: `owner_${id}`, sourceRole: `source_${id}`, storeRole: `store_${id}` };
  const admin = await connectForTest(adminUrl);
  const dispose = async (): Promise<void> => {
    await databases[Symbol.asyncDispose]();
    for (const role of Object.values(roles)) await admin.query(`DROP ROLE IF EXISTS ${role}`);
    await admin.query(`DROP TABLESPACE IF EXISTS space_${id}`);
    await admin.end();
  };
  try {
    const name = async (of: 'source' | 'store'): Promise<string> =>
      (await databases[of].query<{ name: string }>('SELECT current_database() AS name')).rows[0]!.name;
    const [source, store] = [await name('source'), await name('store')];
    await admin.query(
      `CREATE ROLE ${roles.owner}; CREATE ROLE ${roles.sourceRole} LOGIN REPLICATION PASSWORD 'p';
       CREATE ROLE ${roles.storeRole} LOGIN SUPERUSER PASSWORD 'p';
       GRANT CREATE ON DATABASE ${source} TO ${roles.owner}, ${roles.sourceRole};
       GRANT ${roles.owner} TO ${roles.sourceRole}`,
    );
    await admin.query('SET allow_in_place_tablespaces = on');
    await admin.query(`CREATE TABLESPACE space_${id} LOCATION ''`);
    await databases.source.query('CREATE ACCESS METHOD second_heap TYPE TABLE HANDLER heap_tableam_handler');
    const url = (database: string, user: string): string =>
      databaseUrl(adminUrl, database, { user, password: 'p' });
    const urls = { sourceUrl: url(source, roles.sourceRole), storeUrl: url(store, roles.storeRole) };
    const nodes = PLUGINS.filter((plugin) => plugin === 'pgoutput' || hasWal2json).map((plugin) => ({
      plugin,
      node: `${id}_${plugin}`,
    }));
    for (const each of nodes) await init({ ...urls, ...each, slotName: null, version: 'test' });
    const { rows } = await admin.query<{ version: number }>(
      `SELECT current_setting('server_version_num')::int AS version`,
    );
    const ground = {
      ...roles,
      ...urls,
      ...{ databases, nodes, source, store, tablespace: `space_${id}`, accessMethod: 'second_heap' },
      publications: nodes.flatMap(({ node, plugin }) =>
        plugin === 'pgoutput' ? [publicationName(node)] : [],
      ),
      serverVersion: rows[0]!.version,
    };
    return {
      ...ground,
      [Symbol.asyncDispose]: async () => {
        for (const sql of plainAgain(ground).split('; ')) await databases.source.query(sql);
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
