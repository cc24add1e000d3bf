/** A node that follows tables from now on, without their existing rows. */
import { init } from '../../core/setup/init.ts';
import { track } from '../../core/track.ts';
import type { Plugin } from '../../core/types/plugin.ts';

export interface NodeUrls {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
}

/** Makes the node and tracks tables of schema `public`. */
export async function observe(urls: NodeUrls, plugin: Plugin, tables: readonly string[]): Promise<void> {
  await init({ ...urls, plugin, slotName: null, version: 'bench' });
  for (const name of tables) {
    await track({
      ...urls,
      table: { schema: 'public', name },
      exclude: [],
      baseline: false,
      retention: null,
      shared: true,
    });
  }
}
