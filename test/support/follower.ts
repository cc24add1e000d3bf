/**
 * A node of a shared source that follows some of its tables. It keeps its two sessions from run to run. Several followers, of
 * both plugins, read the same transactions.
 */
import type pg from 'pg';
import { connect, resetSession } from '../../core/pg/connection.ts';
import type { TableName } from '../../core/pg/identifiers.ts';
import { type PollResult, pollWith } from '../../core/poll.ts';
import { type RebaselineResult, rebaseline } from '../../core/rebaseline.ts';
import { init } from '../../core/setup/init.ts';
import { track } from '../../core/track.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import type { TestDatabases } from './test-databases.ts';

export class Follower implements AsyncDisposable {
  readonly node: string;
  readonly plugin: Plugin;
  readonly #urls: { readonly sourceUrl: string; readonly storeUrl: string; readonly node: string };
  readonly #sessions: { readonly source: pg.Client; readonly store: pg.Client };
  runs = 0;

  private constructor(
    plugin: Plugin,
    urls: { readonly sourceUrl: string; readonly storeUrl: string; readonly node: string },
    sessions: { readonly source: pg.Client; readonly store: pg.Client },
  ) {
    this.node = urls.node;
    this.plugin = plugin;
    this.#urls = urls;
    this.#sessions = sessions;
  }

  /** @param suffix of the node's name: letters, digits, `_` */
  static async open(databases: TestDatabases, plugin: Plugin, suffix: string): Promise<Follower> {
    const { sourceUrl, storeUrl } = databases;
    const urls = { sourceUrl, storeUrl, node: `${databases.node}_${suffix}` };
    await init({ ...urls, plugin, slotName: null, version: 'test' });
    const { node } = urls;
    const source = await connect(sourceUrl, { side: 'source', node });
    const store = await connect(storeUrl, { side: 'store', node });
    return new Follower(plugin, urls, { source, store });
  }

  /** One after the other, each with the rows that it has. */
  async track(tables: readonly TableName[]): Promise<void> {
    for (const table of tables)
      await track({ ...this.#urls, table, baseline: true, exclude: [], retention: null, shared: true });
  }

  /** Runs once. Throws unless the run is done. */
  async poll(maxChanges?: number): Promise<PollResult> {
    const { source, store } = this.#sessions;
    if (this.runs > 0) await Promise.all([resetSession(source, 'source'), resetSession(store, 'store')]);
    this.runs++;
    const result = await pollWith(this.#sessions, {
      node: this.node,
      ...(maxChanges === undefined ? {} : { maxChanges }),
    });
    if (result.outcome !== 'done') throw new Error(`${this.node}: ${result.outcome} ${result.reason ?? ''}`);
    return result;
  }

  /** Reads a table again, with its own runs. */
  rebaseline(table: TableName): Promise<RebaselineResult> {
    return rebaseline({ ...this.#urls, table });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#sessions.source.end(), this.#sessions.store.end()]);
  }
}
