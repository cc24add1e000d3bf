/**
 * What the source says of itself beyond identity and slot: what is left of its limits, what keeps WAL, what the role may
 * do, how the publication is made. Whatever a version, a role or a hosted platform cannot say is null, and spoils nothing else.
 */
import type { Queryable } from '../pg/connection.ts';
import { sqlState } from '../pg/database-error.ts';
import type { TableName } from '../pg/identifiers.ts';
import { readServerVersion } from '../pg/server-version.ts';
import { publicationName } from '../slot/publication.ts';
import { type InheritedSettings, readInheritedSettings } from './inherited-settings.ts';

export interface SourceCondition {
  readonly platform: 'aurora' | 'rds' | 'self-managed';
  readonly encoding: string;
  readonly inherited: InheritedSettings;
  readonly slotsUsed: number;
  readonly slotsMax: number;
  readonly sendersUsed: number;
  readonly sendersMax: number;
  /** Who reads the slot at this moment. */
  readonly slotReader: SlotReader | null;
  /** Quoted where SQL needs it. */
  readonly role: string;
  /** The role may use replication slots. */
  readonly mayReplicate: boolean;
  /** Of PostgreSQL 18; null: there is no such setting. */
  readonly idleSlotTimeoutSeconds: number | null;
  /** Written since `walSinceSeconds`; null before PostgreSQL 14, and on Aurora. */
  readonly walBytes: number | null;
  readonly walSinceSeconds: number | null;
  readonly spilledBytes: number | null;
  /** The transaction with the oldest xid that is open; null: none has one. */
  readonly oldestWriter: OpenTransaction | null;
  readonly oldestPrepared: PreparedTransaction | null;
  /** Open transactions that tables about to be tracked wait for, by pid. */
  readonly pids: readonly number[];
  readonly publication: PublicationState | null;
  /** Tables that the role may not read, of those given. */
  readonly unreadable: readonly string[];
  /** Tables whose policies hide rows from the role, of those given. */
  readonly filtered: readonly string[];
  /** Tables that inherit from one of those given, and are none of them. */
  readonly heirs: readonly Heir[];
}

export interface Heir extends TableName {
  readonly parent: TableName;
  readonly hasKey: boolean;
}

export interface PreparedTransaction {
  readonly gid: string;
  readonly ageSeconds: number;
}

export interface SlotReader {
  readonly pid: number;
  readonly application: string;
  readonly role: string;
}

export interface OpenTransaction {
  readonly pid: number;
  readonly ageSeconds: number;
  readonly state: string;
}

interface PublicationState {
  readonly allActions: boolean;
  readonly viaRoot: boolean;
  /** The members that it restricts to some rows or columns. */
  readonly restricted: readonly RestrictedMember[];
  readonly members: readonly TableName[];
  /** Members whose UPDATE and DELETE the server refuses, for want of a key. */
  readonly keyless: readonly TableName[];
}

export interface RestrictedMember extends TableName {
  /** Whether rows are filtered. */
  readonly rows: boolean;
  /** Columns that a column list leaves out. */
  readonly hidden: readonly string[];
}

export async function readSourceCondition(
  source: Queryable,
  node: string,
  slotName: string,
  tables: readonly number[],
): Promise<SourceCondition> {
  const version = await readServerVersion(source);
  const restricted = version >= 150000 ? RESTRICTED_SINCE_15 : `false AS filtered, '{}'::name[] AS hidden`;
  const result = await source.query<{ condition: string }>(statement(restricted), [
    slotName,
    publicationName(node),
    tables,
  ]);
  const wal =
    version >= 140000
      ? await readUnlessLacking<{ bytes: number; seconds: number }>(source, WAL_SINCE_14)
      : null;
  const spilled =
    version >= 140000
      ? await readUnlessLacking<{ bytes: number }>(source, SPILLED_SINCE_14, [slotName])
      : null;
  return {
    ...(JSON.parse(result.rows[0]!.condition) as Omit<SourceCondition, keyof Statistics | 'inherited'>), // names and counts of the catalog only
    walBytes: wal?.bytes ?? null,
    walSinceSeconds: wal?.seconds ?? null,
    spilledBytes: spilled?.bytes ?? null,
    inherited: await readInheritedSettings(source),
  };
}

type Statistics = Pick<SourceCondition, 'walBytes' | 'walSinceSeconds' | 'spilledBytes'>;

const WAL_SINCE_14 = `SELECT json_build_object('bytes', wal_bytes,
                                'seconds', greatest(1, extract(epoch FROM now() - stats_reset))::int8)::text AS fact
  FROM pg_catalog.pg_stat_wal`;
const SPILLED_SINCE_14 = `SELECT json_build_object('bytes', spill_bytes)::text AS fact
  FROM pg_catalog.pg_stat_replication_slots WHERE slot_name = $1::text`;

/** SQLSTATEs of what a platform has not: feature_not_supported, insufficient_privilege, undefined_function, undefined_table. */
const LACKING = new Set(['0A000', '42501', '42883', '42P01']);

/** A fact by itself; null where the platform has not got it (Amazon Aurora refuses pg_stat_wal, for instance) or there is none. */
async function readUnlessLacking<T>(
  source: Queryable,
  text: string,
  values: unknown[] = [],
): Promise<T | null> {
  try {
    const { rows } = await source.query<{ fact: string }>(text, values);
    return rows[0] === undefined ? null : (JSON.parse(rows[0].fact) as T); // counts only
  } catch (error) {
    if (LACKING.has(sqlState(error) ?? '')) return null;
    throw error;
  }
}

const RESTRICTED_SINCE_15 = `pr.prqual IS NOT NULL AS filtered,
           CASE WHEN pr.prattrs IS NULL THEN '{}'::name[] ELSE ARRAY(
             SELECT a.attname FROM pg_attribute AS a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                AND a.attnum <> ALL (pr.prattrs) ORDER BY a.attnum) END AS hidden`;

function statement(restricted: string): string {
  return `
  WITH RECURSIVE heir (root, relid) AS (
    SELECT i.inhparent, i.inhrelid
      FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent AND p.relkind = 'r'
     WHERE i.inhparent = ANY ($3::oid[])
     UNION SELECT h.root, i.inhrelid FROM heir AS h JOIN pg_inherits AS i ON i.inhparent = h.relid),
  writer AS (
    SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::int8 AS age, coalesce(state, '') AS state
      FROM pg_stat_activity
     WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1),
  prepared AS (
    SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::int8 AS age
      FROM pg_prepared_xacts ORDER BY prepared LIMIT 1),
  members AS (
    SELECT p.oid AS publication, n.nspname, c.relname, ${restricted},
           c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (
             SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary) AS keyless
      FROM pg_publication AS p
      JOIN pg_publication_rel AS pr ON pr.prpubid = p.oid
      JOIN pg_class AS c ON c.oid = pr.prrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE p.pubname = $2::name)
  SELECT json_build_object(
    'platform', CASE WHEN to_regproc('pg_catalog.aurora_version') IS NOT NULL THEN 'aurora'
                     WHEN to_regrole('rdsadmin') IS NOT NULL THEN 'rds' ELSE 'self-managed' END,
    'encoding', current_setting('server_encoding'),
    'slotsUsed', (SELECT count(*) FROM pg_replication_slots),
    'slotsMax', current_setting('max_replication_slots')::int,
    'sendersUsed', (SELECT count(*) FROM pg_stat_replication),
    'sendersMax', current_setting('max_wal_senders')::int,
    'slotReader', (
       SELECT json_build_object('pid', s.active_pid, 'application', coalesce(a.application_name, ''),
                                'role', coalesce(a.usename, ''))
         FROM pg_replication_slots AS s LEFT JOIN pg_stat_activity AS a ON a.pid = s.active_pid
        WHERE s.slot_name = $1::text AND s.active_pid IS NOT NULL),
    'role', quote_ident(current_user),
    'mayReplicate', (SELECT bool_or(rolsuper OR rolreplication OR rolname = 'rds_replication') FROM pg_roles
                      WHERE rolname = current_user
                         OR rolname = 'rds_replication' AND pg_has_role(current_user, oid, 'member')),
    'idleSlotTimeoutSeconds', (
       SELECT CASE unit WHEN 'min' THEN setting::int8 * 60 ELSE setting::int8 END
         FROM pg_settings WHERE name = 'idle_replication_slot_timeout'),
    'oldestWriter', (SELECT json_build_object('pid', pid, 'ageSeconds', age, 'state', state) FROM writer),
    'oldestPrepared', (SELECT json_build_object('gid', gid, 'ageSeconds', age) FROM prepared),
    'pids', coalesce((SELECT json_agg(pid) FROM pg_stat_activity WHERE xact_start IS NOT NULL), '[]'),
    'publication', (
       SELECT json_build_object(
                'allActions', pubinsert AND pubupdate AND pubdelete AND pubtruncate, 'viaRoot', pubviaroot,
                'restricted', coalesce((SELECT json_agg(json_build_object('schema', nspname, 'name', relname, 'rows', filtered,
                                                                  'hidden', hidden))
                                          FROM members WHERE filtered OR cardinality(hidden) > 0), '[]'),
                'members', coalesce((SELECT json_agg(json_build_object('schema', nspname, 'name', relname))
                                       FROM members), '[]'),
                'keyless', coalesce((SELECT json_agg(json_build_object('schema', nspname, 'name', relname))
                                       FROM members WHERE keyless), '[]'))
         FROM pg_publication WHERE pubname = $2::name),
    'unreadable', coalesce((
       SELECT json_agg(format('%I.%I', n.nspname, c.relname))
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = ANY ($3::oid[])
          AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))), '[]'),
    'filtered', coalesce((
       SELECT json_agg(format('%I.%I', n.nspname, c.relname))
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = ANY ($3::oid[]) AND row_security_active(c.oid)), '[]'),
    'heirs', coalesce((
       SELECT json_agg(json_build_object(
                'schema', n.nspname, 'name', c.relname, 'parent', json_build_object('schema', pn.nspname, 'name', p.relname),
                'hasKey', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary))
                ORDER BY n.nspname, c.relname, h.root)
         FROM heir AS h
         JOIN pg_class AS c ON c.oid = h.relid AND c.relkind = 'r' JOIN pg_namespace AS n ON n.oid = c.relnamespace
         JOIN pg_class AS p ON p.oid = h.root JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
        WHERE c.oid <> ALL ($3::oid[])), '[]')
  )::text AS condition`;
}
