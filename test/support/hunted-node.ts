/**
 * A node on shared databases, with one table all of whose states are recorded. At any time and after any event, each answer
 * about it must be the recorded row, or unknown. A final answer never changes.
 */
import type pg from 'pg';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import type { TableName } from '../../core/pg/identifiers.ts';
import { asOfEach } from '../../core/query/as-of.ts';
import { parseInstant } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { init } from '../../core/setup/init.ts';
import { track } from '../../core/track.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import type { TestDatabases } from './test-databases.ts';

export interface Urls {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
}

interface Moment {
  readonly lsn: string;
  readonly time: string;
  /** From key to the row as JSON. */
  readonly rows: ReadonlyMap<string, string>;
}

interface Answer {
  readonly status: string;
  readonly reason: string | null;
  readonly row: unknown;
  readonly final: boolean;
}

const KEYS = ['1', '2', '3', '4'];
/** The longest time until the rest of an ended session is gone from its server. */
const LEAK_MS = 5_000;

export class HuntedNode {
  readonly urls: Urls;
  readonly table: TableName;
  readonly plugin: Plugin;
  readonly databases: TestDatabases;
  readonly complaints: string[] = [];
  readonly #index: number;
  #moments: Moment[] = [];
  readonly #final = new Map<string, string>();
  /** Retention changes the reason of an absence to `not_in_window`; that counts as the same answer. */
  #hasWindow = false;

  constructor(databases: TestDatabases, plugin: Plugin, index: number) {
    const { sourceUrl, storeUrl } = databases;
    this.databases = databases;
    this.#index = index;
    this.plugin = plugin;
    this.urls = { sourceUrl, storeUrl, node: `${databases.node}_${index}` };
    this.table = { schema: 'public', name: `t${index}` };
  }

  /** The same node in another store; the recorded states stay. */
  inStore(storeUrl: string, store: pg.Client): HuntedNode {
    const other = new HuntedNode({ ...this.databases, storeUrl, store }, this.plugin, this.#index);
    other.#moments = this.#moments;
    return other;
  }

  get slot(): string {
    return `pgtimewarp_${this.urls.node}`;
  }

  async makeTable(): Promise<void> {
    await this.change(
      'CREATE TABLE $t (id int PRIMARY KEY, v text); INSERT INTO $t VALUES (1, $$a$$), (2, $$b$$)',
    );
  }

  async init(): Promise<void> {
    await init({ ...this.urls, plugin: this.plugin, slotName: null, version: 'test' });
  }

  async track(retention: string | null = null): Promise<void> {
    this.#hasWindow = retention !== null;
    await track({ ...this.urls, table: this.table, baseline: true, exclude: [], retention });
  }

  /** Runs SQL on the source, where `$t` is the table, and records the rows after it. */
  async change(sql: string): Promise<void> {
    const { source } = this.databases;
    await source.query(sql.replaceAll('$t', this.table.name).replaceAll('$$', "'"));
    const { rows } = await source.query<{ key: string; row: string }>(
      `SELECT id::text AS key, row_to_json(whole)::text AS row FROM ${this.table.name} AS whole`,
    );
    const { rows: now } = await source.query<{ lsn: string; time: string }>(
      `SELECT pg_current_wal_insert_lsn()::text AS lsn,
              to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time`,
    );
    this.#moments.push({ ...now[0]!, rows: new Map(rows.map(({ key, row }) => [key, row])) });
  }

  /**
   * Asks for every key at every recorded moment.
   * @param unknownMay at the end: the accepted reasons for an unknown answer; undefined: every answer may be unknown
   */
  async ask(when: string, unknownMay?: ReadonlySet<string>): Promise<void> {
    const questions = this.#moments.flatMap((moment) =>
      [moment.lsn, moment.time].flatMap((at) => KEYS.map((key) => ({ moment, at, key }))),
    );
    const requests = questions.map(({ at, key }) => ({
      node: this.urls.node,
      table: this.table,
      pk: keyFromText(key),
      at: parseInstant(at),
    }));
    let answers: Answer[];
    try {
      const results = await asOfEach(this.databases.store, requests);
      answers = results.map(({ answerText }) => JSON.parse(answerText) as Answer);
    } catch (error) {
      if (!(error instanceof TimewarpError)) throw error;
      if (unknownMay !== undefined && !unknownMay.has(error.code)) this.complain(`${when}: ${error.message}`);
      return;
    }
    for (const [index, { moment, at, key }] of questions.entries()) {
      const { status, reason, row, final } = answers[index]!;
      const told = JSON.stringify({ status, reason, row });
      const about = `${when}, key ${key} at ${at}: ${told}`;
      const before = this.#final.get(`${at} ${key}`);
      const isForgotten = reason === 'expired' || (this.#hasWindow && reason === 'not_in_window');
      if (before !== undefined && before !== told && !isForgotten)
        this.complain(`${about} was final as ${before}`);
      if (!final) {
        if (unknownMay?.size && !unknownMay.has('not final')) this.complain(`${about} is not final`);
        continue;
      }
      this.#final.set(`${at} ${key}`, told);
      const truth = moment.rows.get(key) ?? null;
      const held = truth === null ? null : (JSON.parse(truth) as unknown);
      if (status === 'unknown') {
        if (unknownMay?.has(reason!) === false) this.complain(`${about} instead of ${truth}`);
      } else if (JSON.stringify(row ?? null) !== JSON.stringify(held)) {
        this.complain(`${about} is wrong: ${truth}`);
      }
    }
  }

  complain(what: string): void {
    this.complaints.push(what);
  }

  /** Reports sessions and locks of this node that still exist after a few seconds, and a slot that is still in use. */
  async lookForLeaks(): Promise<void> {
    const patience = performance.now() + LEAK_MS;
    for (;;) {
      const left = await this.#leaks();
      if (left.length === 0) return;
      if (performance.now() > patience) {
        for (const each of left) this.complain(`left behind: ${each}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #leaks(): Promise<string[]> {
    const { rows } = await this.databases.source.query<{ leak: string }>(
      `SELECT format('session in %s (%s, %s): %s', datname, pid, state, left(query, 100)) AS leak
         FROM pg_stat_activity
        WHERE application_name = $1::text AND query <> '' -- one that was never heard holds nothing, and nobody knows its process
       UNION ALL
       SELECT format('advisory lock %s/%s of %s', classid, objid, pid) FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND objid = (hashtext($2::text)::int8 & 4294967295)::oid
       UNION ALL
       SELECT format('slot in use by %s', active_pid) FROM pg_replication_slots WHERE slot_name = $3::name AND active`,
      [`pgtimewarp/${this.urls.node}`, this.urls.node, this.slot],
    );
    return rows.map(({ leak }) => leak);
  }

  /** The state of the node: on the source the slot and the publication with its tables, in the store the node and the table. */
  async state(): Promise<NodeState> {
    const { node } = this.urls;
    const { rows: source } = await this.databases.source.query<{
      slot: boolean;
      publication: boolean;
      tables: string | null;
    }>(
      `SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1::name) AS slot,
              EXISTS (SELECT FROM pg_publication WHERE pubname = $1::name) AS publication,
              (SELECT string_agg(tablename, ',') FROM pg_publication_tables WHERE pubname = $1::name) AS tables`,
      [this.slot],
    );
    const { rows: store } = await this.databases.store.query<{ node: string | null; table: string | null }>(
      `SELECT (SELECT status FROM pgtimewarp.nodes WHERE node_id = $1::text) AS node,
              (SELECT status FROM pgtimewarp.tracked_relations WHERE node_id = $1::text AND table_name = $2::text) AS "table"`,
      [node, this.table.name],
    );
    return { ...source[0]!, ...store[0]! };
  }

  async isBaselinePending(): Promise<boolean> {
    const { rowCount } = await this.databases.store.query(
      `SELECT FROM pgtimewarp.tracked_relations
        WHERE node_id = $1::text AND status <> 'untracked' AND baseline_state = 'pending'`,
      [this.urls.node],
    );
    return rowCount !== 0;
  }

  async dispose(): Promise<void> {
    await this.databases.source.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1::text`,
      [`pgtimewarp/${this.urls.node}`],
    );
    for (let attempt = 0; ; attempt++) {
      try {
        await this.databases.source.query(
          'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1::name',
          [this.slot],
        );
        return;
      } catch (error) {
        if (attempt === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

export interface NodeState {
  readonly slot: boolean;
  readonly publication: boolean;
  /** The tables in the publication. */
  readonly tables: string | null;
  /** Status of the node; null: the store has no such node. */
  readonly node: string | null;
  readonly table: string | null;
}
