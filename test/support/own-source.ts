/**
 * A node with its own source server, for states that a shared server must not be in: stopped, crashed, copied, replaced. The
 * store is on the shared server.
 */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { PostgresBinaries } from '../../cli/servers/find-binaries.ts';
import { runProgram } from '../../cli/servers/run-program.ts';
import { type LocalServer, startServer } from '../../cli/servers/start-server.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { type PollResult, poll } from '../../core/poll.ts';
import { asOf } from '../../core/query/as-of.ts';
import { parseInstant } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { type RebaselineNodeResult, rebaselineNode } from '../../core/rebaseline-node.ts';
import { init } from '../../core/setup/init.ts';
import { track } from '../../core/track.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import { chooseServer } from './choose-server.ts';
import { queryOnce } from './test-client.ts';
import { type TestDatabases, testDatabases } from './test-databases.ts';

export interface OwnSource extends AsyncDisposable {
  readonly server: LocalServer;
  readonly databases: TestDatabases;
  readonly urls: { sourceUrl: string; storeUrl: string; node: string };
  readonly env: Readonly<Record<string, string>>;
  readonly slot: string;
  /** Runs SQL on the source in its own session. */
  sql(text: string): Promise<pg.QueryResult>;
  poll(sourceUrl?: string): Promise<PollResult>;
  rebaseline(): Promise<RebaselineNodeResult>;
  /** The answer for a row of `orders`: `found 10` (its total), `absent deleted`, `unknown in_gap`. */
  state(id: string, at?: string): Promise<string>;
  /** The store's horizon as an instant. */
  horizon(): Promise<string>;
  gaps(): Promise<{ code: string; from_ts: string; to_ts: string | null }[]>;
  events(): Promise<string[]>;
  /** Stops the server as in a crash, copies its files, and starts it again. */
  copy(): Promise<void>;
  /** The server continues from the copy. */
  restoreCopy(): Promise<void>;
  /** The server returns on another timeline. */
  promote(): Promise<void>;
}

export interface OwnSourceOptions {
  readonly plugin: Plugin;
  readonly tables?: string;
  readonly track?: readonly string[];
  readonly exclude?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  /** Programs of the server; default: those of this run. */
  readonly binaries?: PostgresBinaries;
}

const TABLES = `CREATE TABLE orders (id bigint PRIMARY KEY, total numeric);
  INSERT INTO orders VALUES (1, 10), (2, 20), (3, 30)`;

export async function ownSource(options: OwnSourceOptions): Promise<OwnSource> {
  const binaries = options.binaries ?? (await chooseServer()).binaries;
  const server = await startServer({ binaries, ...(options.settings && { settings: options.settings }) });
  const databases = await testDatabases();
  const urls = { sourceUrl: server.url('source'), storeUrl: databases.storeUrl, node: databases.node };
  const dispose = async (): Promise<void> => {
    await databases[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  const sql = (text: string): Promise<pg.QueryResult> => queryOnce(urls.sourceUrl, text);
  const copyDir = join(server.folder, 'copy');
  try {
    await server.createDatabase('source');
    await sql(options.tables ?? TABLES);
    await init({ ...urls, plugin: options.plugin, slotName: null, version: 'test' });
    for (const table of options.track ?? ['orders']) {
      await track({
        ...urls,
        table: parseTableName(table),
        exclude: options.exclude ?? [],
        baseline: true,
        retention: null,
      });
    }
    return {
      server,
      databases,
      urls,
      env: { ...databases.env, PGTIMEWARP_SOURCE_URL: urls.sourceUrl },
      slot: databases.slot,
      sql,
      poll: (sourceUrl = urls.sourceUrl) => poll({ ...urls, sourceUrl }),
      rebaseline: () => rebaselineNode({ ...urls, version: 'test' }),
      state: async (id, at) => {
        const table = { schema: 'public', name: 'orders' };
        const request = { node: urls.node, table, pk: keyFromText(id), at: parseInstant(at) };
        const answer = await asOf(databases.store, request);
        const { row } = JSON.parse(answer.answerText) as { row: { total: number } | null };
        return answer.status === 'found' ? `found ${row?.total}` : `${answer.status} ${answer.reason}`;
      },
      horizon: async () => {
        const { rows } = await databases.store.query<{ ts: string }>(
          `SELECT to_char(applied_ts, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
             FROM pgtimewarp.wal_checkpoints WHERE node_id = $1`,
          [urls.node],
        );
        return rows[0]!.ts;
      },
      gaps: async () => {
        const { rows } = await databases.store.query(
          `SELECT code, to_char(from_ts, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS from_ts,
                  to_char(to_ts, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS to_ts
             FROM pgtimewarp.history_gaps WHERE node_id = $1 ORDER BY id`,
          [urls.node],
        );
        return rows;
      },
      events: async () => {
        const { rows } = await databases.store.query<{ code: string }>(
          'SELECT code FROM pgtimewarp.health_events WHERE node_id = $1 ORDER BY id',
          [urls.node],
        );
        return rows.map((row) => row.code);
      },
      copy: async () => {
        await server.stop('immediate');
        await rm(copyDir, { recursive: true, force: true });
        await run('cp', '-a', server.dataDir, copyDir);
        await server.start();
      },
      restoreCopy: async () => {
        await server.stop('immediate');
        await rm(server.dataDir, { recursive: true });
        await rename(copyDir, server.dataDir);
        await server.start();
      },
      promote: async () => {
        await server.stop();
        await writeFile(join(server.dataDir, 'standby.signal'), '');
        await run('chown', '--reference', server.dataDir, join(server.dataDir, 'standby.signal'));
        await server.start();
        await sql('SELECT pg_promote(true, 60)');
        await sql('CHECKPOINT');
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { code, output } = await runProgram(program, args);
  if (code !== 0) throw new Error(`${program}: ${output}`);
}
