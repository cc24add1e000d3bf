/**
 * Reads settings that server, database or role give every session: time-outs that would end a run, and a read-only default of
 * transactions. Sessions of pgtimewarp override them (core/pg/session-settings.ts).
 */
import type { FactReader } from '../pg/fact-reader.ts';

export interface InheritedSetting {
  readonly name: string;
  /** With its unit: `150 ms`. */
  readonly value: string;
  /** Where it is set: `database shop`. */
  readonly from: string;
  /** SQL that resets it there. */
  readonly reset: string;
}

const READ_ONLY = 'default_transaction_read_only';
const TIMEOUTS = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'transaction_timeout',
];

export interface InheritedSettings {
  readonly timeouts: readonly InheritedSetting[];
  readonly readOnly: InheritedSetting | null;
}

/**
 * @returns null when they are not known. PostgreSQL manual, "ALTER ROLE": the setting of a role in a database wins over that of
 * the role, then that of the database, then that of all roles.
 */
export async function readInheritedSettings(reader: FactReader): Promise<InheritedSettings | null> {
  const rows = await reader.rows<InheritedSetting & { from: string }>(
    'pg_settings',
    `SELECT s.name, concat_ws(' ', s.reset_val, s.unit) AS value,
            CASE WHEN o.setrole IS NULL THEN 'the server'
                 WHEN o.setrole = 0 AND o.setdatabase = 0 THEN 'all roles'
                 ELSE concat_ws(' in ', 'role ' || r.rolname, 'database ' || d.datname) END AS "from",
            CASE WHEN o.setrole IS NULL
                 THEN format('ALTER SYSTEM SET %I = %s; SELECT pg_reload_conf();', s.name, s.boot_val)
                 WHEN o.setrole = 0 AND o.setdatabase <> 0 THEN format('ALTER DATABASE %I RESET %I;', d.datname, s.name)
                 ELSE format('ALTER ROLE %s%s RESET %I;', coalesce(quote_ident(r.rolname), 'ALL'),
                             ' IN DATABASE ' || quote_ident(d.datname), s.name) END AS reset
       FROM pg_catalog.pg_settings AS s
       LEFT JOIN LATERAL (
              SELECT x.setrole, x.setdatabase
                FROM pg_catalog.pg_db_role_setting AS x CROSS JOIN LATERAL unnest(x.setconfig) AS c (entry)
               WHERE lower(split_part(c.entry, '=', 1)) = s.name
                 AND x.setrole IN (0, (SELECT u.oid FROM pg_catalog.pg_roles AS u WHERE u.rolname = session_user))
                 AND x.setdatabase IN (0, (SELECT b.oid FROM pg_catalog.pg_database AS b
                                            WHERE b.datname = current_database()))
               ORDER BY (x.setrole <> 0 AND x.setdatabase <> 0) DESC, x.setrole <> 0 DESC, x.setdatabase <> 0 DESC
               LIMIT 1) AS o ON true
       LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = o.setrole
       LEFT JOIN pg_catalog.pg_database AS d ON d.oid = o.setdatabase
      WHERE s.name = ANY ($1::text[]) AND s.reset_val NOT IN ('0', 'off')
      ORDER BY s.name`,
    [[...TIMEOUTS, READ_ONLY]],
  );
  if (rows === null) return null;
  return {
    timeouts: rows.filter(({ name }) => name !== READ_ONLY),
    readOnly: rows.find(({ name }) => name === READ_ONLY) ?? null,
  };
}
