/**
 * Reads facts of the source apart from identity and slot: its limits, what keeps WAL, privileges of the role, the publication.
 * Each fact has its own query. If a version, a role or a hosted platform refuses one, that fact is null, `unknown` names it, and
 * the others are still read.
 */
import type { Queryable } from '../pg/connection.ts';
import { FactReader } from '../pg/fact-reader.ts';
import type { TableName } from '../pg/identifiers.ts';
import { readServerVersion } from '../pg/server-version.ts';
import { type RefusedWrites, whyWritesRefused } from '../source/catalog/refused-writes.ts';
import { readTableFacts } from '../source/catalog/table-facts.ts';
import { publicationName } from '../source/publication/publication.ts';
import { type InheritedSettings, readInheritedSettings } from './inherited-settings.ts';

export interface SourceCondition {
  readonly platform: 'aurora' | 'rds' | 'self-managed';
  readonly encoding: string;
  /** null: not known. */
  readonly inherited: InheritedSettings | null;
  /** null: not known. */
  readonly slotsUsed: number | null;
  readonly slotsMax: number;
  /** null: not known. */
  readonly sendersUsed: number | null;
  readonly sendersMax: number;
  /** The session that reads the slot now; null: none, or not known. */
  readonly slotReader: SlotReader | null;
  /** Quoted where SQL needs it. */
  readonly role: string;
  /** The role may use replication slots; null: not known. */
  readonly mayReplicate: boolean | null;
  /** Since PostgreSQL 18; null: the server has no such setting. */
  readonly idleSlotTimeoutSeconds: number | null;
  /** Written since `walSinceSeconds`; null before PostgreSQL 14, and on Aurora. */
  readonly walBytes: number | null;
  readonly walSinceSeconds: number | null;
  readonly spilledBytes: number | null;
  /** The oldest open transaction that has a transaction ID; null: there is none. */
  readonly oldestWriter: OpenTransaction | null;
  readonly oldestPrepared: PreparedTransaction | null;
  /** Sessions with an open transaction, by pid; null: not known. */
  readonly pids: readonly number[] | null;
  readonly publication: PublicationState | null;
  /** Those of the given tables that the role may not read. */
  readonly unreadable: readonly string[];
  /** Those of the given tables whose policies hide rows from the role. */
  readonly filtered: readonly string[];
  /** Tables that inherit from one of the given tables and are not among them. */
  readonly heirs: readonly Heir[];
  /** The version of the SQL functions; null: they are not installed, or not known. */
  readonly sqlFunctions: string | null;
  /** Names of the views and functions that the server refused. */
  readonly unknown: readonly string[];
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
  /** The members of which it publishes only some rows or columns. */
  readonly restricted: readonly RestrictedMember[];
  readonly members: readonly TableName[];
  /** The server could publish stored generated columns, and the publication does not. */
  readonly hidesGenerated: boolean;
  /** Members whose UPDATE and DELETE the server refuses because they are published. */
  readonly refused: readonly (TableName & RefusedWrites)[];
}

export interface RestrictedMember extends TableName {
  /** Whether rows are filtered. */
  readonly rows: boolean;
  /** Columns that a column list leaves out. */
  readonly hidden: readonly string[];
}

export async function readSourceCondition(
  source: Queryable,
  {
    node,
    slotName,
    tables,
  }: { readonly node: string; readonly slotName: string; readonly tables: readonly number[] },
): Promise<SourceCondition> {
  const version = await readServerVersion(source);
  const reader = new FactReader(source);
  // JSON.parse is safe here: the text has only names, counts and seconds of the catalog
  const read = async <T>(what: string, expression: string, values: unknown[] = []): Promise<T | null> => {
    const text = await reader.fact<string>(what, `SELECT to_json((${expression}))::text AS fact`, values);
    return text === null ? null : (JSON.parse(text) as T);
  };
  const restricted = version >= 150000 ? RESTRICTED_SINCE_15 : `false AS filtered, '{}'::name[] AS hidden`;
  const since14 = version >= 140000;
  const wal = since14 ? await read<{ bytes: number; seconds: number }>('pg_stat_wal', WAL) : null;
  const publication = await read<Omit<PublicationState, 'refused'>>(
    'pg_publication',
    publicationSql(restricted),
    [publicationName(node)],
  );
  const server = (await read<ServerFacts>('pg_settings', SERVER))!;
  return {
    ...server,
    slotsUsed: await read('pg_replication_slots', 'SELECT count(*) FROM pg_catalog.pg_replication_slots'),
    sendersUsed: await read('pg_stat_replication', 'SELECT count(*) FROM pg_catalog.pg_stat_replication'),
    slotReader: await read('pg_stat_activity', SLOT_READER, [slotName]),
    mayReplicate: await read('pg_roles', MAY_REPLICATE),
    idleSlotTimeoutSeconds: await read('pg_settings', IDLE_TIMEOUT),
    walBytes: wal?.bytes ?? null,
    walSinceSeconds: wal?.seconds ?? null,
    spilledBytes: since14 ? await read('pg_stat_replication_slots', SPILLED, [slotName]) : null,
    oldestWriter: await read('pg_stat_activity', OLDEST_WRITER),
    oldestPrepared: await read('pg_prepared_xacts', OLDEST_PREPARED),
    pids: await read('pg_stat_activity', PIDS),
    publication:
      publication === null
        ? null
        : { ...publication, refused: await readRefused(source, publication.members) },
    unreadable: (await read<string[]>('pg_class', UNREADABLE, [tables])) ?? [],
    filtered: (await read<string[]>('pg_class', FILTERED, [tables])) ?? [],
    heirs: (await read<Heir[]>('pg_inherits', HEIRS, [tables])) ?? [],
    sqlFunctions: await read('pg_proc', SQL_FUNCTIONS),
    inherited: await readInheritedSettings(reader),
    unknown: [...new Set(reader.unknown)],
  };
}

async function readRefused(
  source: Queryable,
  members: readonly TableName[],
): Promise<(TableName & RefusedWrites)[]> {
  const facts = await readTableFacts(source, members);
  return facts.flatMap((each) => {
    const refused = each === null ? null : whyWritesRefused(each);
    return refused === null ? [] : [{ schema: each!.schema, name: each!.name, ...refused }];
  });
}

type ServerFacts = Pick<SourceCondition, 'platform' | 'encoding' | 'slotsMax' | 'sendersMax' | 'role'>;

/** Facts that every server tells to every role. */
const SERVER = `
  SELECT json_build_object(
    'platform', CASE WHEN to_regproc('pg_catalog.aurora_version') IS NOT NULL THEN 'aurora'
                     WHEN to_regrole('rdsadmin') IS NOT NULL THEN 'rds' ELSE 'self-managed' END,
    'encoding', current_setting('server_encoding'),
    'slotsMax', current_setting('max_replication_slots')::int,
    'sendersMax', current_setting('max_wal_senders')::int,
    'role', quote_ident(current_user))`;
const WAL = `
  SELECT json_build_object('bytes', wal_bytes, 'seconds', greatest(1, extract(epoch FROM now() - stats_reset))::int8)
    FROM pg_catalog.pg_stat_wal`;
const SPILLED = `SELECT spill_bytes FROM pg_catalog.pg_stat_replication_slots WHERE slot_name = $1::text`;
const SLOT_READER = `
  SELECT json_build_object('pid', s.active_pid, 'application', coalesce(a.application_name, ''),
                           'role', coalesce(a.usename, ''))
    FROM pg_catalog.pg_replication_slots AS s LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = s.active_pid
   WHERE s.slot_name = $1::text AND s.active_pid IS NOT NULL`;
const MAY_REPLICATE = `
  SELECT bool_or(rolsuper OR rolreplication OR rolname = 'rds_replication') FROM pg_catalog.pg_roles
   WHERE rolname = current_user OR rolname = 'rds_replication' AND pg_has_role(current_user, oid, 'member')`;
const IDLE_TIMEOUT = `
  SELECT CASE unit WHEN 'min' THEN setting::int8 * 60 ELSE setting::int8 END
    FROM pg_catalog.pg_settings WHERE name = 'idle_replication_slot_timeout'`;
const OLDEST_WRITER = `
  SELECT json_build_object('pid', pid, 'ageSeconds', extract(epoch FROM clock_timestamp() - xact_start)::int8,
                           'state', coalesce(state, ''))
    FROM pg_catalog.pg_stat_activity
   WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1`;
const OLDEST_PREPARED = `
  SELECT json_build_object('gid', gid, 'ageSeconds', extract(epoch FROM clock_timestamp() - prepared)::int8)
    FROM pg_catalog.pg_prepared_xacts ORDER BY prepared LIMIT 1`;
const PIDS = `
  SELECT coalesce(json_agg(pid), '[]') FROM pg_catalog.pg_stat_activity WHERE xact_start IS NOT NULL`;
const UNREADABLE = `
  SELECT coalesce(json_agg(format('%I.%I', n.nspname, c.relname)), '[]')
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
   WHERE c.oid = ANY ($1::oid[])
     AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))`;
const FILTERED = `
  SELECT coalesce(json_agg(format('%I.%I', n.nspname, c.relname)), '[]')
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
   WHERE c.oid = ANY ($1::oid[]) AND row_security_active(c.oid)`;
const HEIRS = `
  WITH RECURSIVE heir (root, relid) AS (
    SELECT i.inhparent, i.inhrelid
      FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent AND p.relkind = 'r'
     WHERE i.inhparent = ANY ($1::oid[])
     UNION SELECT h.root, i.inhrelid FROM heir AS h JOIN pg_inherits AS i ON i.inhparent = h.relid)
  SELECT coalesce(json_agg(json_build_object(
                'schema', n.nspname, 'name', c.relname, 'parent', json_build_object('schema', pn.nspname, 'name', p.relname),
                'hasKey', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary))
                ORDER BY n.nspname, c.relname, h.root), '[]')
    FROM heir AS h
    JOIN pg_class AS c ON c.oid = h.relid AND c.relkind = 'r' JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_class AS p ON p.oid = h.root JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
   WHERE c.oid <> ALL ($1::oid[])`;

/** Read from the text of the function, which is there in every version and with every method of installation. */
const SQL_FUNCTIONS = `
  SELECT substring(p.prosrc FROM '''([0-9.]+)''') FROM pg_catalog.pg_proc AS p
   WHERE p.oid = to_regprocedure('pgtimewarp_internal.version()')`;

const RESTRICTED_SINCE_15 = `pr.prqual IS NOT NULL AS filtered,
           CASE WHEN pr.prattrs IS NULL THEN '{}'::name[] ELSE ARRAY(
             SELECT a.attname FROM pg_attribute AS a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                AND a.attnum <> ALL (pr.prattrs) ORDER BY a.attnum) END AS hidden`;

function publicationSql(restricted: string): string {
  return `
  WITH members AS (
    SELECT p.oid AS publication, n.nspname, c.relname, ${restricted}
      FROM pg_publication AS p
      JOIN pg_publication_rel AS pr ON pr.prpubid = p.oid
      JOIN pg_class AS c ON c.oid = pr.prrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE p.pubname = $1::name)
  SELECT json_build_object(
                'allActions', pubinsert AND pubupdate AND pubdelete AND pubtruncate, 'viaRoot', pubviaroot,
                'hidesGenerated', coalesce(to_jsonb(pg_publication) ->> 'pubgencols' = 'n', false),
                'restricted', coalesce((SELECT json_agg(json_build_object('schema', nspname, 'name', relname, 'rows', filtered,
                                                                  'hidden', hidden))
                                          FROM members WHERE filtered OR cardinality(hidden) > 0), '[]'),
                'members', coalesce((SELECT json_agg(json_build_object('schema', nspname, 'name', relname))
                                       FROM members), '[]'))
    FROM pg_publication WHERE pubname = $1::name`;
}
