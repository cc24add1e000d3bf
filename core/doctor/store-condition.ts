/** Reads facts of the store and of its time map for one node. A fact that a hosted platform refuses is null. */
import type { Queryable } from '../pg/connection.ts';
import { FactReader } from '../pg/fact-reader.ts';
import { isLacking } from '../pg/lacking.ts';
import { readHiddenHolder } from '../store/node/claim.ts';
import { type CommitTime, parseCommitTime } from '../types/commit-time.ts';
import { type InheritedSettings, readInheritedSettings } from './inherited-settings.ts';

export interface StoreCondition {
  readonly clock: CommitTime;
  /** Quoted where SQL needs it. */
  readonly role: string;
  readonly inRecovery: boolean;
  readonly encoding: string;
  /** null: not known. */
  readonly inherited: InheritedSettings | null;
  /** The role may write history. */
  readonly mayWrite: boolean;
  /** null: not known. */
  readonly connectionsUsed: number | null;
  readonly connectionsMax: number;
  readonly autovacuum: boolean;
  /** Transactions until the oldest row must be frozen, of about 2.1 billion. */
  readonly transactionAge: number;
  /** null: not known. */
  readonly sizeBytes: number | null;
  /** Since the first node was created. */
  readonly ageSeconds: number;
  /** Entries in the latest part of the time map that are out of order or beyond the horizon. */
  readonly mapFaults: number;
  /** A run under another login, of which this login cannot see whether it works. */
  readonly hiddenHolder: { readonly pid: number; readonly role: string } | null;
  /** Names of the views and functions that the server refused. */
  readonly unknown: readonly string[];
}

export async function readStoreCondition(store: Queryable, node: string): Promise<StoreCondition> {
  const { rows } = await store.query<Record<string, string>>(
    `SELECT clock_timestamp() AS clock, quote_ident(current_user) AS role,
            pg_is_in_recovery()::text AS in_recovery, current_setting('server_encoding') AS encoding,
            (has_table_privilege('pgtimewarp.row_changes', 'INSERT')
              AND has_table_privilege('pgtimewarp.wal_checkpoints', 'UPDATE'))::text AS may_write,
            current_setting('max_connections') AS max,
            current_setting('autovacuum') AS autovacuum,
            (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database())::text AS xid_age,
            (SELECT extract(epoch FROM now() - min(created_at))::int8 FROM pgtimewarp.nodes)::text AS age,
            (SELECT count(*)
               FROM (SELECT m.lsn, m.ts, lead(m.ts) OVER (ORDER BY m.lsn) AS next_ts, c.applied_lsn, c.applied_ts
                       FROM pgtimewarp.wal_checkpoints AS c
                      CROSS JOIN LATERAL (
                              SELECT t.lsn, t.ts FROM pgtimewarp.lsn_time_map AS t
                               WHERE t.node_id = c.node_id AND t.lsn_space = c.lsn_space
                               ORDER BY t.lsn DESC LIMIT 10000) AS m
                      WHERE c.node_id = $1::text) AS entries
              WHERE next_ts < ts OR lsn > applied_lsn
                 OR ts > applied_ts AND NOT EXISTS ( -- see decision 0023
                      SELECT FROM pgtimewarp.lineage($1::text) AS l JOIN pgtimewarp.lsn_time_map AS o USING (node_id, lsn_space)
                       WHERE l.node_id <> $1::text AND o.lsn > applied_lsn AND o.ts = entries.ts))::text AS map_faults`,
    [node],
  );
  const row = rows[0]!;
  const count = (name: string): number => Number.parseInt(row[name] ?? '0', 10);
  const reader = new FactReader(store);
  const used = await reader.fact<string>(
    'pg_stat_activity',
    `SELECT count(*)::text AS fact FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'`,
  );
  const size = await reader.fact<string>(
    'pg_database_size()',
    'SELECT pg_database_size(current_database())::text AS fact',
  );
  const inherited = await readInheritedSettings(reader);
  const hiddenHolder = await readHiddenHolder(store, node).catch((error: unknown) => {
    if (!isLacking(error)) throw error;
    reader.unknown.push('pg_locks');
    return null;
  });
  return {
    clock: parseCommitTime(row.clock!),
    role: row.role!,
    inRecovery: row.in_recovery === 'true',
    encoding: row.encoding!,
    inherited,
    mayWrite: row.may_write === 'true',
    connectionsUsed: used === null ? null : Number.parseInt(used, 10),
    connectionsMax: count('max'),
    autovacuum: row.autovacuum === 'on',
    transactionAge: count('xid_age'),
    sizeBytes: size === null ? null : Number.parseInt(size, 10),
    ageSeconds: count('age'),
    mapFaults: count('map_faults'),
    hiddenHolder,
    unknown: [...new Set(reader.unknown)],
  };
}
