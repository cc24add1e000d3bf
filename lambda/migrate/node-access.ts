/** Gives the migrate function connection URLs with valid credentials, because core opens its own sessions. */
import type pg from 'pg';
import { formatTableName } from '../../core/pg/identifiers.ts';
import { schemaVersion } from '../../core/store/schema/migrate.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { Sessions } from '../shared/sessions.ts';
import type { WantedNode } from './properties.ts';

export const credentials = new Credentials();
const sessions = new Sessions(credentials);

export interface Urls {
  readonly node: string;
  readonly sourceUrl: string;
  readonly storeUrl: string;
}

/** URLs of both databases. Sessions were opened with them, so their credentials are valid. */
export async function urlsOf({ node, sourceSecretArn }: WantedNode): Promise<Urls> {
  await withSource({ node, sourceSecretArn }, async () => {});
  await withStore(node, async () => {});
  const { storeSecretArn } = readConfiguration(['storeSecretArn']);
  return {
    node,
    sourceUrl: await credentials.url(sourceSecretArn),
    storeUrl: await credentials.url(storeSecretArn),
  };
}

/** Lends a session of the source of a node. */
export function withSource<T>(
  { node, sourceSecretArn }: Pick<WantedNode, 'node' | 'sourceSecretArn'>,
  work: (source: pg.Client) => Promise<T>,
): Promise<T> {
  return sessions.use({ side: 'source', node, secretArn: sourceSecretArn }, work);
}

/** Lends a session of the store, as its owner. */
export function withStore<T>(node: string, work: (store: pg.Client) => Promise<T>): Promise<T> {
  const { storeSecretArn } = readConfiguration(['storeSecretArn']);
  return sessions.use({ side: 'store', node, secretArn: storeSecretArn }, work);
}

/** The plugin of a node, read before the schema is migrated; null: the node does not exist. */
export function storedPlugin(node: string): Promise<Plugin | null> {
  return withStore(node, async (store) => {
    if ((await schemaVersion(store)) === 0) return null;
    const { rows } = await store.query<{ plugin: Plugin }>(
      `SELECT plugin FROM pgtimewarp.nodes WHERE node_id = $1::text AND status <> 'removed'`,
      [node],
    );
    return rows[0]?.plugin ?? null;
  });
}

/**
 * The tables that a node tracks, in the form of `formatTableName`; null if the node does not exist. The query runs before the schema
 * is migrated, so it names only columns that every version of the schema has.
 */
export function trackedTables(node: string): Promise<Set<string> | null> {
  return withStore(node, async (store) => {
    if ((await schemaVersion(store)) === 0) return null;
    const { rows: nodes } = await store.query(
      `SELECT FROM pgtimewarp.nodes WHERE node_id = $1::text AND status <> 'removed'`,
      [node],
    );
    if (nodes.length === 0) return null;
    const { rows } = await store.query<{ schema_name: string; table_name: string }>(
      `SELECT schema_name, table_name FROM pgtimewarp.tracked_relations
        WHERE node_id = $1::text AND status <> 'untracked'`,
      [node],
    );
    return new Set(rows.map((row) => formatTableName({ schema: row.schema_name, name: row.table_name })));
  });
}
