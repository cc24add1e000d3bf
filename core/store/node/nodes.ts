/**
 * The rows of `nodes` and `wal_checkpoints`: which database a node observes, through which slot, and its horizon.
 * A node and its checkpoint are written together. Only during its setup a node has no checkpoint.
 */

import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { type CommitTime, formatCommitTime, parseCommitTime } from '../../types/commit-time.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import type { Plugin } from '../../types/plugin.ts';
import { isKnownSystem, maybeSameSystem } from '../../types/server-identity.ts';
import type { Horizon } from './claim.ts';
import { placeBeginning } from './lineage.ts';

type NodeStatus = 'active' | 'gap' | 'blocked' | 'removed';

export interface StoredNode {
  readonly node: string;
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly database: string;
  readonly slotName: string;
  readonly plugin: Plugin;
  readonly status: NodeStatus;
  readonly statusReason: string | null;
  readonly createdAt: CommitTime;
  /** WAL that the slot may retain on the source; null: the default (core/source/slot/wal-budget.ts). */
  readonly slotBudgetBytes: bigint | null;
  /** Whether wal2json prints numbers as texts, which distinguishes NaN from NULL (see NUMBERS_AS_TEXT). */
  readonly numbersAsText: boolean;
  /** Whether the slot is made with failover, where the server knows that (PostgreSQL 17). */
  readonly slotFailover: boolean;
  /** Further prefixes whose messages are contexts (see core/types/plugin.ts). */
  readonly contextPrefixes: readonly string[];
  /** Whether runs drop the slot when the budget is used up. */
  readonly releasesSlot: boolean;
  /** null only during the setup of the node. */
  readonly horizon: NodeProgress | null;
}

/** The checkpoint as reports show it. */
interface NodeProgress {
  readonly lsn: Lsn;
  readonly ts: CommitTime;
  readonly lsnSpace: number;
  readonly caughtUp: boolean;
  readonly lastRunAt: CommitTime | null;
  readonly lastRunOutcome: string | null;
  readonly failures: number;
}

/** What identifies a node and cannot be changed by repeating `init`. */
export interface NodeIdentity {
  readonly node: string;
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly database: string;
  readonly slotName: string;
  readonly plugin: Plugin;
  readonly version: string;
}

/** `status_reason` of a node before its slot is created: see {@link recordSetupIntent}. */
export const SETUP_UNFINISHED = 'set-up not finished';

/**
 * Whether the source is the database that the node observes, also after ALTER DATABASE … RENAME: a slot belongs to a database,
 * and pg_replication_slots shows its present name.
 */
export function isDatabaseOf(
  source: {
    readonly systemIdentifier: string;
    readonly database: string;
    readonly slot: { readonly database: string | null; readonly plugin: string } | null;
  },
  node: Pick<StoredNode, 'systemIdentifier' | 'database' | 'plugin'>,
): boolean {
  if (!maybeSameSystem(source, node)) return false;
  if (source.database === node.database) return true;
  return source.slot?.database === source.database && source.slot.plugin === node.plugin;
}

/** Stores the present name of the node's database. */
export async function writeDatabaseName(store: Queryable, node: string, database: string): Promise<void> {
  await store.query('UPDATE pgtimewarp.nodes SET database_name = $2::text WHERE node_id = $1::text', [
    node,
    database,
  ]);
}

/** All nodes of the store, by name. */
export async function listNodes(store: Queryable): Promise<StoredNode[]> {
  return selectNodes(store, null);
}

/** The node, also when it was removed; null when the store has never had it. */
export async function readNode(store: Queryable, node: string): Promise<StoredNode | null> {
  return (await selectNodes(store, node))[0] ?? null;
}

/** The node; throws NODE_UNKNOWN, also when it was removed unless `removed` allows that. */
export async function requireNode(
  store: Queryable,
  node: string,
  options: { removed?: boolean } = {},
): Promise<StoredNode> {
  const found = await readNode(store, node);
  if (found === null)
    throw new TimewarpError('NODE_UNKNOWN', `The store has no node "${node}".`, { facts: { node } });
  if (found.status === 'removed' && options.removed !== true) {
    throw new TimewarpError('NODE_UNKNOWN', `Node "${node}" was removed; only its history is left.`, {
      facts: { node },
    });
  }
  return found;
}

/**
 * Records the node before its slot is created. After a killed `init`, the next one thus knows that the slot belongs to this
 * node. To all other code the row looks like a removed node.
 */
export async function recordSetupIntent(store: Queryable, identity: NodeIdentity): Promise<void> {
  await store.query(
    `INSERT INTO pgtimewarp.nodes AS n
            (node_id, system_identifier, timeline, database_name, slot_name, plugin, status, status_reason, version)
     VALUES ($1::text, $2::text, $3::int, $4::text, $5::text, $6::text, 'removed', $8::text, $7::text)
     ON CONFLICT ON CONSTRAINT nodes_pkey DO UPDATE -- a removed node keeps its history and gets the new settings
        SET system_identifier = excluded.system_identifier, timeline = excluded.timeline,
            database_name = excluded.database_name, slot_name = excluded.slot_name, plugin = excluded.plugin,
            status_reason = excluded.status_reason, version = excluded.version,
            meta = CASE WHEN (n.system_identifier, n.timeline) = (excluded.system_identifier, excluded.timeline) THEN n.meta
                        ELSE n.meta || '{"new_positions": true}' END -- the old identity is gone from here on
      WHERE n.status = 'removed'`,
    [...identityValues(identity), SETUP_UNFINISHED],
  );
}

/** Deletes this record again. Call it when no slot was created. A node with history keeps its row. */
export async function withdrawSetupIntent(store: Queryable, node: string): Promise<void> {
  await store.query(
    `DELETE FROM pgtimewarp.nodes AS n
      WHERE n.node_id = $1::text AND n.status = 'removed' AND n.status_reason = $2::text
        AND NOT EXISTS (SELECT FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = n.node_id)`,
    [node, SETUP_UNFINISHED],
  );
  await store.query(
    `UPDATE pgtimewarp.nodes SET status_reason = NULL WHERE node_id = $1::text AND status_reason = $2::text`,
    [node, SETUP_UNFINISHED],
  );
}

/**
 * Makes the node active with its first horizon. A node that was removed continues in its LSN space if the positions of the
 * source sort after the stored ones; questions by LSN then keep their answers. Otherwise it begins a new space
 * (docs/decisions/0015). Its time never goes back: times of commits strictly increase over all spaces.
 */
export async function activateNode(
  store: StoreTransaction,
  identity: NodeIdentity,
  start: Horizon,
): Promise<void> {
  const samePositions = isKnownSystem(identity) && (await comesAfter(store, identity.node, start.lsn));
  await store.query(
    `UPDATE pgtimewarp.nodes
        SET status = 'active', status_reason = NULL, last_seen = now(), meta = meta - 'new_positions'
      WHERE node_id = $1::text`,
    [identity.node],
  );
  const time = await placeBeginning(store, {
    nodeId: identity.node,
    lsn: start.lsn,
    wanted: start.time,
  });
  await store.query(
    `WITH horizon AS (
       INSERT INTO pgtimewarp.wal_checkpoints AS c (node_id, slot_name, applied_lsn, applied_ts)
       VALUES ($1::text, $2::text, $3::pg_lsn, $4::timestamptz)
       ON CONFLICT ON CONSTRAINT wal_checkpoints_pkey DO UPDATE -- the node was removed before
          SET slot_name = excluded.slot_name, lsn_space = c.lsn_space + CASE WHEN $5::boolean THEN 0 ELSE 1 END,
              map_from_lsn = CASE WHEN $5::boolean THEN c.map_from_lsn END, applied_lsn = excluded.applied_lsn,
              applied_ts = greatest(excluded.applied_ts, c.applied_ts + interval '1 microsecond',
                (SELECT max(m.ts) FROM pgtimewarp.lsn_time_map AS m WHERE m.node_id = c.node_id) + interval '1 microsecond'),
              epoch = c.epoch + 1, caught_up = false, failures = 0, failure = NULL
       RETURNING c.node_id, c.lsn_space, c.applied_lsn, c.applied_ts),
     ended AS ( -- a gap of the node that was open at its removal
       UPDATE pgtimewarp.history_gaps AS g
          SET to_ts = horizon.applied_ts, to_lsn = CASE WHEN g.lsn_space = horizon.lsn_space THEN horizon.applied_lsn END
         FROM horizon WHERE g.node_id = horizon.node_id AND g.relation_id IS NULL AND g.to_ts IS NULL)
     INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts)
     SELECT node_id, lsn_space, applied_lsn, applied_ts FROM horizon`,
    [identity.node, identity.slotName, formatLsn(start.lsn), formatCommitTime(time), samePositions],
  );
}

/** Whether positions from `start` on sort after all stored ones, on a server without a recorded fork of its history. */
async function comesAfter(store: Queryable, node: string, start: Lsn): Promise<boolean> {
  const { rows } = await store.query<{ after: boolean }>(
    `SELECT n.meta ->> 'new_positions' IS NULL AND c.applied_lsn < $2::pg_lsn
            AND NOT EXISTS (SELECT FROM pgtimewarp.lsn_time_map AS m
                             WHERE m.node_id = c.node_id AND m.lsn_space = c.lsn_space AND m.lsn >= $2::pg_lsn)
            AND NOT EXISTS (SELECT FROM pgtimewarp.history_gaps AS g
                             WHERE g.node_id = c.node_id AND g.relation_id IS NULL AND g.to_ts IS NULL
                               AND g.code = 'HISTORY_FORKED') AS after
       FROM pgtimewarp.nodes AS n JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = n.node_id
      WHERE n.node_id = $1::text`,
    [node, formatLsn(start)],
  );
  return rows[0]?.after === true;
}

function identityValues(identity: NodeIdentity): (string | number)[] {
  const { node, systemIdentifier, timeline, database, slotName, plugin, version } = identity;
  return [node, systemIdentifier, timeline, database, slotName, plugin, version];
}

async function selectNodes(store: Queryable, node: string | null): Promise<StoredNode[]> {
  const { rows } = await store.query<NodeRow>(
    `SELECT n.node_id, n.system_identifier, n.timeline, n.database_name, n.slot_name, n.plugin, n.status,
            n.status_reason, n.created_at,
            n.meta ->> 'slot_budget_bytes' AS slot_budget, n.meta ->> 'release_slot' = 'automatic' AS releases_slot,
            coalesce((n.meta ->> 'numbers_as_text')::boolean, false) AS numbers_as_text,
            coalesce((n.meta ->> 'slot_failover')::boolean, true) AS slot_failover,
            n.meta -> 'context_prefixes' AS context_prefixes, c.applied_lsn, c.applied_ts, c.lsn_space, c.caught_up, c.last_run_at,
            c.last_run_outcome, c.failures
       FROM pgtimewarp.nodes AS n
       LEFT JOIN pgtimewarp.wal_checkpoints AS c USING (node_id)
      WHERE $1::text IS NULL OR n.node_id = $1::text
      ORDER BY n.node_id`,
    [node],
  );
  return rows.map(toNode);
}

interface NodeRow {
  node_id: string;
  system_identifier: string;
  timeline: number;
  database_name: string;
  slot_name: string;
  plugin: Plugin;
  status: NodeStatus;
  status_reason: string | null;
  created_at: string;
  slot_budget: string | null;
  releases_slot: boolean | null;
  numbers_as_text: boolean;
  slot_failover: boolean;
  context_prefixes: string | null;
  applied_lsn: string | null;
  applied_ts: string;
  lsn_space: number;
  caught_up: boolean;
  last_run_at: string | null;
  last_run_outcome: string | null;
  failures: number;
}

function toNode(row: NodeRow): StoredNode {
  return {
    node: row.node_id,
    systemIdentifier: row.system_identifier,
    timeline: row.timeline,
    database: row.database_name,
    slotName: row.slot_name,
    plugin: row.plugin,
    status: row.status,
    statusReason: row.status_reason,
    createdAt: parseCommitTime(row.created_at),
    slotBudgetBytes: row.slot_budget === null ? null : BigInt(row.slot_budget),
    releasesSlot: row.releases_slot === true,
    numbersAsText: row.numbers_as_text,
    slotFailover: row.slot_failover,
    contextPrefixes: row.context_prefixes === null ? [] : (JSON.parse(row.context_prefixes) as string[]), // ours
    horizon:
      row.applied_lsn === null
        ? null
        : {
            lsn: parseLsn(row.applied_lsn),
            ts: parseCommitTime(row.applied_ts),
            lsnSpace: row.lsn_space,
            caughtUp: row.caught_up,
            lastRunAt: row.last_run_at === null ? null : parseCommitTime(row.last_run_at),
            lastRunOutcome: row.last_run_outcome,
            failures: row.failures,
          },
  };
}

/** Stores whether the plugin of the node's slot prints numbers as texts. */
export async function writeNumbersAsText(store: Queryable, node: string, known: boolean): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes SET meta = meta || jsonb_build_object('numbers_as_text', $2::boolean)
      WHERE node_id = $1::text`,
    [node, known],
  );
}

/** Stores whether the slot of the node is made with failover, also when it is made anew. */
export async function writeSlotFailover(store: Queryable, node: string, failover: boolean): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes SET meta = meta || jsonb_build_object('slot_failover', $2::boolean)
      WHERE node_id = $1::text`,
    [node, failover],
  );
}

/** Sets the further prefixes whose messages are contexts. */
export async function writeContextPrefixes(
  store: Queryable,
  node: string,
  prefixes: readonly string[],
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes SET meta = meta || jsonb_build_object('context_prefixes', $2::text[])
      WHERE node_id = $1::text`,
    [node, prefixes],
  );
}

/** Changes the WAL budget of the slot, and whether runs drop the slot over budget. An undefined setting stays. */
export async function writeSlotSettings(
  store: Queryable,
  node: string,
  settings: { readonly budgetBytes?: bigint | undefined; readonly automatic?: boolean | undefined },
): Promise<void> {
  const meta = {
    ...(settings.budgetBytes === undefined ? {} : { slot_budget_bytes: settings.budgetBytes.toString() }),
    ...(settings.automatic === undefined
      ? {}
      : { release_slot: settings.automatic ? 'automatic' : 'by hand' }),
  };
  await store.query('UPDATE pgtimewarp.nodes SET meta = meta || $2::jsonb WHERE node_id = $1::text', [
    node,
    JSON.stringify(meta),
  ]);
}
