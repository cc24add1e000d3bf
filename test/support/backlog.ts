/**
 * A moment of a node from which several runs can start: tables are tracked, and WAL waits. Every fork is a copy of the store
 * with a copy of the slot. So whatever happens to the runs of one fork, every fork must end with the same history, in every
 * column.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { createDatabase, databaseUrl, dropDatabase } from '../../cli/servers/databases.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { poll } from '../../core/poll.ts';
import { init } from '../../core/setup/init.ts';
import { track } from '../../core/track.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import { readStore, type StoreDump } from './dump-store.ts';
import { connectForTest } from './test-client.ts';

export interface BacklogOptions {
  readonly plugin: Plugin;
  /** Administrator's URLs: one server, or two. */
  readonly sourceServer: string;
  readonly storeServer: string;
  /** Makes what exists before tracking begins. */
  readonly prepare: (sourceUrl: string) => Promise<void>;
  readonly tables: readonly string[];
  /** Writes the changes that wait in the WAL. */
  readonly write: (sourceUrl: string) => Promise<void>;
  /** SQL on the store before it is copied. */
  readonly store?: string;
}

export interface Fork {
  readonly node: string;
  readonly slot: string;
  readonly sourceUrl: string;
  readonly storeUrl: string;
  /** The environment with which the command line follows this fork. */
  readonly env: Readonly<Record<string, string>>;
  dump(): Promise<StoreDump>;
  /** Removes store and slot. */
  drop(): Promise<void>;
}

export interface Backlog extends AsyncDisposable {
  readonly sourceUrl: string;
  /** A copy of store and slot at the moment when the writing ended. */
  fork(): Promise<Fork>;
  /** The store after undisturbed runs. */
  readonly undisturbed: StoreDump;
  /** How long that run took. */
  readonly undisturbedMs: number;
}

export async function makeBacklog(options: BacklogOptions): Promise<Backlog> {
  const id = randomBytes(5).toString('hex');
  const [sourceName, storeName, node] = [`source_${id}`, `store_${id}`, `t_${id}`];
  const sourceUrl = databaseUrl(options.sourceServer, sourceName);
  const storeUrl = databaseUrl(options.storeServer, storeName);
  const forks = new Set<Fork>();

  const dispose = async (): Promise<void> => {
    for (const each of forks) await each.drop();
    await dropDatabase(options.sourceServer, sourceName);
    await dropDatabase(options.storeServer, storeName);
  };

  const fork = async (): Promise<Fork> => {
    const name = `${storeName}_${randomBytes(3).toString('hex')}`;
    const slot = `${name}_slot`;
    await createDatabase(options.storeServer, name, storeName);
    const forkUrl = databaseUrl(options.storeServer, name);
    await onDatabase(sourceUrl, 'SELECT pg_copy_logical_replication_slot($1::name, $2::name)', [
      `pgtimewarp_${node}`,
      slot,
    ]);
    await onDatabase(forkUrl, 'UPDATE pgtimewarp.nodes SET slot_name = $1::text', [slot]);
    const made: Fork = {
      node,
      slot,
      sourceUrl,
      storeUrl: forkUrl,
      env: { PGTIMEWARP_SOURCE_URL: sourceUrl, PGTIMEWARP_STORE_URL: forkUrl, PGTIMEWARP_NODE: node },
      dump: () => readStore(forkUrl),
      drop: async () => {
        forks.delete(made);
        await dropDatabase(options.storeServer, name);
        await onDatabase(
          sourceUrl,
          `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1::name AND active_pid IS NOT NULL`,
          [slot],
        );
        await onDatabase(sourceUrl, 'SELECT pg_drop_replication_slot($1::name)', [slot]);
      },
    };
    forks.add(made);
    return made;
  };

  try {
    await createDatabase(options.sourceServer, sourceName);
    await createDatabase(options.storeServer, storeName);
    const urls = { sourceUrl, storeUrl, node };
    await options.prepare(sourceUrl);
    await init({ ...urls, plugin: options.plugin, slotName: null, version: 'test' });
    for (const table of options.tables) {
      await track({ ...urls, table: parseTableName(table), baseline: true, exclude: [], retention: null });
    }
    await options.write(sourceUrl);
    if (options.store !== undefined) await onDatabase(storeUrl, options.store);
    const first = await fork();
    const started = performance.now();
    await runToEnd(first);
    const undisturbedMs = performance.now() - started;
    const undisturbed = await first.dump();
    await first.drop();
    return { sourceUrl, fork, undisturbed, undisturbedMs, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Two undisturbed runs: the second resolves the baselines that the first has read. */
export async function runToEnd(fork: Fork): Promise<void> {
  for (let run = 0; run < 2; run++) {
    const { outcome, caughtUp, reason } = await poll(fork);
    if (outcome !== 'done' || !caughtUp) throw new Error(`the run ended as ${outcome}: ${reason ?? ''}`);
  }
}

/** Runs pgbench of the folder `binDir`. */
export async function pgbench(binDir: string, url: string, ...options: string[]): Promise<void> {
  await promisify(execFile)(`${binDir}/pgbench`, [...options, url]);
}

/** Runs SQL in its own session. */
export async function onDatabase(url: string, sql: string, values: readonly string[] = []): Promise<void> {
  const session = await connectForTest(url);
  try {
    await (values.length === 0 ? session.query(sql) : session.query(sql, [...values]));
  } finally {
    await session.end();
  }
}
