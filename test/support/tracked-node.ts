/** A node whose tables are tracked, in one call: most tests on real servers begin with it. */

import { parseTableName } from '../../core/pg/identifiers.ts';
import { type PollResult, poll } from '../../core/poll.ts';
import { init } from '../../core/setup/init.ts';
import { type TrackResult, track } from '../../core/track.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import { type TestDatabases, type TestDatabasesOptions, testDatabases } from './test-databases.ts';

export interface TrackedNode extends TestDatabases {
  readonly plugin: Plugin;
  /** Runs once; fails the test unless the run is done and caught up. */
  poll(options?: { maxChanges?: number }): Promise<PollResult>;
  /** Runs until everything is stored, `maxChanges` at a time. */
  catchUp(maxChanges?: number): Promise<void>;
  track(
    table: string,
    options?: {
      baseline?: boolean;
      exclude?: readonly string[];
      retention?: string;
      noNan?: boolean;
      shared?: boolean;
    },
  ): Promise<TrackResult>;
}

export interface TrackedNodeOptions extends TestDatabasesOptions {
  readonly plugin: Plugin;
  /** Tracked one after the other. */
  readonly track?: readonly string[];
  readonly baseline?: boolean;
}

/** Makes databases, node and tracking. Dispose of it like the databases. */
export async function trackedNode(options: TrackedNodeOptions): Promise<TrackedNode> {
  const databases = await testDatabases(options);
  const urls = { sourceUrl: databases.sourceUrl, storeUrl: databases.storeUrl, node: databases.node };
  const node: TrackedNode = {
    ...databases,
    plugin: options.plugin,
    poll: (bounds = {}) => poll({ ...urls, ...bounds }),
    catchUp: async (maxChanges) => {
      for (;;) {
        const result = await poll({ ...urls, ...(maxChanges === undefined ? {} : { maxChanges }) });
        if (result.outcome !== 'done')
          throw new Error(`the run ended as ${result.outcome}: ${result.reason ?? ''}`);
        if (result.caughtUp) return;
      }
    },
    track: (
      table,
      {
        baseline = true,
        exclude = [],
        retention = null as string | null,
        noNan = false,
        shared = false,
      } = {},
    ) => track({ ...urls, table: parseTableName(table), baseline, exclude, retention, noNan, shared }),
  };
  try {
    await init({ ...urls, plugin: options.plugin, slotName: null, version: 'test' });
    for (const table of options.track ?? []) await node.track(table, { baseline: options.baseline ?? true });
    return node;
  } catch (error) {
    await databases[Symbol.asyncDispose]();
    throw error;
  }
}
