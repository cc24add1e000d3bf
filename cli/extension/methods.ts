/**
 * Installs, upgrades and removes the SQL functions, in one transaction of the caller. There are three methods for the same SQL
 * text: files of the server (CREATE EXTENSION), pg_tle, or plain objects if the server has neither.
 */
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import type { Queryable } from '../../core/pg/connection.ts';
import { sqlState } from '../../core/pg/database-error.ts';
import { quoteIdentifier } from '../../core/pg/identifiers.ts';
import {
  extensionScripts,
  newestVersion,
  plainRemovalSql,
  plainSql,
  scriptsAfter,
  tleStatements,
  tleUpdateStatement,
} from './scripts.ts';

const DEPENDENT_OBJECTS_STILL_EXIST = '2BP01';

export const METHODS = ['create-extension', 'tle', 'plain'] as const;
export type Method = (typeof METHODS)[number];

export interface Installation {
  readonly method: Method;
  readonly version: string;
  /** The schema of the functions. */
  readonly schema: string;
}

export interface Offer {
  readonly method: Method;
  readonly why: string;
}

/** The best method that this server supports. */
export async function chooseMethod(source: Queryable): Promise<Offer> {
  const { rows } = await source.query<{ files: boolean; tle: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_available_extension_versions
                     WHERE name = 'pgtimewarp' AND version = $1) AS files,
            to_regprocedure('pgtle.install_extension(text, text, text, text, text[])') IS NOT NULL AS tle`,
    [newestVersion(extensionScripts())],
  );
  const { files, tle } = rows[0]!;
  if (tle) return { method: 'tle', why: 'pg_tle is installed' };
  if (files) return { method: 'create-extension', why: 'the server has its files' };
  return { method: 'plain', why: 'the server has neither its files nor pg_tle' };
}

/** null when the functions are not installed. */
export async function findInstallation(source: Queryable): Promise<Installation | null> {
  const { rows } = await source.query<{ version: string; schema: string; owned: boolean; tle: boolean }>(
    `SELECT coalesce(e.extversion, '') AS version, p.pronamespace::regnamespace::text AS schema, e.oid IS NOT NULL AS owned,
            to_regprocedure('pgtle.available_extensions()') IS NOT NULL AS tle
       FROM pg_proc v
       JOIN pg_proc p ON p.proname = 'pgtimewarp_asof_pk' AND p.proowner = v.proowner
       LEFT JOIN pg_extension e ON e.extname = 'pgtimewarp'
      WHERE v.oid = to_regprocedure('pgtimewarp_internal.version()')`,
  );
  const row = rows[0];
  if (row === undefined) return null;
  if (!row.owned) return { method: 'plain', version: await plainVersion(source), schema: row.schema };
  const byTle = row.tle && (await isTleExtension(source));
  return { method: byTle ? 'tle' : 'create-extension', version: row.version, schema: row.schema };
}

/** Throws DATABASE_ERROR if the server does not support the method. */
export async function install(source: Queryable, method: Method, schema: string): Promise<Installation> {
  const scripts = extensionScripts();
  await ensureWrapper(source);
  if (method === 'tle') for (const statement of tleStatements(scripts)) await source.query(statement);
  if (method === 'plain') for (const script of scripts) await source.query(plainSql(script, schema));
  else await source.query(`CREATE EXTENSION pgtimewarp WITH SCHEMA ${quoteIdentifier(schema)}`);
  return { method, schema, version: newestVersion(scripts) };
}

/** Upgrades by the method of the installation. Returns the new version. */
export async function upgrade(source: Queryable, present: Installation): Promise<string> {
  const scripts = extensionScripts();
  for (const script of scriptsAfter(scripts, present.version)) {
    if (present.method === 'plain') await source.query(plainSql(script, present.schema));
    if (present.method === 'tle') {
      await source.query(tleUpdateStatement(script.from!, script.to, script.sql));
    }
  }
  const newest = newestVersion(scripts);
  if (present.method !== 'plain') await source.query(`ALTER EXTENSION pgtimewarp UPDATE TO '${newest}'`);
  return newest;
}

/** Whether `uninstall` removed postgres_fdw, or why not. */
export type WrapperFate = 'removed' | 'in-use' | 'not-ours';

/** Removes the functions, their connection to the store, and postgres_fdw if `install` created it. History stays. */
export async function uninstall(source: Queryable, present: Installation): Promise<WrapperFate> {
  await source.query(`SELECT ${quoteIdentifier(present.schema)}.pgtimewarp_disconnect()`);
  if (present.method === 'plain') await source.query(plainRemovalSql());
  else await source.query('DROP EXTENSION pgtimewarp');
  if (present.method === 'tle') await source.query(`SELECT pgtle.uninstall_extension('pgtimewarp')`);
  return removeWrapper(source);
}

/** The comment on postgres_fdw. It stays with the extension, also in dumps, and disappears with it. */
const MADE_BY_US =
  'foreign-data wrapper for remote PostgreSQL servers (made by `pgtimewarp extension install`)';

async function ensureWrapper(source: Queryable): Promise<void> {
  const { rowCount } = await source.query(`SELECT FROM pg_extension WHERE extname = 'postgres_fdw'`);
  if (rowCount === 1) return;
  await source.query('CREATE EXTENSION postgres_fdw WITH SCHEMA public');
  await source.query(`COMMENT ON EXTENSION postgres_fdw IS '${MADE_BY_US}'`);
}

async function removeWrapper(source: Queryable): Promise<WrapperFate> {
  const { rowCount } = await source.query(
    `SELECT FROM pg_extension e WHERE e.extname = 'postgres_fdw' AND obj_description(e.oid, 'pg_extension') = $1::text`,
    [MADE_BY_US],
  );
  if (rowCount !== 1) return 'not-ours';
  await source.query('SAVEPOINT wrapper');
  try {
    await source.query('DROP EXTENSION postgres_fdw RESTRICT');
    return 'removed';
  } catch (error) {
    if (sqlState(error) !== DEPENDENT_OBJECTS_STILL_EXIST) throw error;
    await source.query('ROLLBACK TO SAVEPOINT wrapper');
    return 'in-use';
  }
}

export async function requireInstallation(source: Queryable): Promise<Installation> {
  const found = await findInstallation(source);
  if (found !== null) return found;
  throw new TimewarpError('EXTENSION_MISSING', 'The SQL functions are not installed on the source.');
}

async function plainVersion(source: Queryable): Promise<string> {
  const { rows } = await source.query<{ version: string }>('SELECT pgtimewarp_internal.version() AS version');
  return rows[0]!.version;
}

async function isTleExtension(source: Queryable): Promise<boolean> {
  const { rowCount } = await source.query(
    `SELECT FROM pgtle.available_extensions() AS e WHERE e.name = 'pgtimewarp'`,
  );
  return (rowCount ?? 0) > 0;
}
