/**
 * Brings the store's schema up to date. All of it happens in one transaction that holds an advisory lock, so a store is
 * at one version or another, never between two, whoever else migrates at the same moment. A store that is newer than
 * this program is left alone.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Postgrator from 'postgrator';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { sqlState } from '../pg/database-error.ts';
import { refuseEncoding } from '../pg/encoding.ts';
import { inPatientTransaction } from '../pg/transaction.ts';

export interface MigrateResult {
  /** Version before and after; 0 is a database without our schema. */
  readonly from: number;
  readonly to: number;
  readonly applied: readonly { readonly version: number; readonly name: string }[];
}

/** The key of the advisory lock: the bytes of "pgtimewa" as a number. */
const MIGRATION_LOCK = '8099837163303462753';

/**
 * Roles belong to the server: migrations of two stores of one server meet there, and the later one fails with a unique
 * violation (23505) or "tuple concurrently updated" (XX000). It has done nothing then and is tried again.
 */
const MET_ANOTHER_STORE = new Set(['23505', 'XX000']);
const ATTEMPTS = 5;

/**
 * Applies the migrations that the store lacks. `session` is one session of its own, not a pool.
 * Throws SCHEMA_TOO_NEW, SCHEMA_CHANGED, ENCODING_REFUSED, and TRANSACTION_CONFLICT when others hold its tables for long.
 */
export async function migrate(session: Queryable, folder = migrationsFolder()): Promise<MigrateResult> {
  await refuseEncoding(session, 'store');
  for (let attempt = 1; ; attempt++) {
    try {
      return await inPatientTransaction(session, () => migrateLocked(session, folder));
    } catch (error) {
      if (attempt === ATTEMPTS || !MET_ANOTHER_STORE.has(sqlState(error) ?? '')) throw error;
    }
  }
}

/** The version of the store's schema; 0 when it has none. */
export async function schemaVersion(store: Queryable): Promise<number> {
  const { rows: present } = await store.query<{ present: boolean }>(
    `SELECT to_regclass('pgtimewarp.schema_migrations') IS NOT NULL AS present`,
  );
  if (!present[0]!.present) return 0;
  const { rows } = await store.query<{ version: number }>(
    'SELECT coalesce(max(version), 0)::int AS version FROM pgtimewarp.schema_migrations',
  );
  return rows[0]!.version;
}

/** The version that this program works with: the highest of its migrations. */
export async function expectedSchemaVersion(folder = migrationsFolder()): Promise<number> {
  return migrator(folder).getMaxVersion();
}

/** Throws SCHEMA_OUTDATED or SCHEMA_TOO_NEW unless the store's schema is the one this program works with. */
export async function requireSchema(store: Queryable): Promise<void> {
  const [found, expected] = [await schemaVersion(store), await expectedSchemaVersion()];
  if (found > expected) throw tooNew(found, expected);
  if (found < expected) {
    const message =
      found === 0
        ? 'The store has no pgtimewarp schema.'
        : `The schema of the store is at version ${found}, this program needs ${expected}.`;
    throw new TimewarpError('SCHEMA_OUTDATED', message, { facts: { found, expected } });
  }
}

/**
 * What a command that writes needs of a store, before it changes anything on the source: as {@link requireSchema}, and
 * STORE_READ_ONLY when the store is a standby.
 */
export async function requireWritable(store: Queryable): Promise<void> {
  await requireSchema(store);
  const { rows } = await store.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
  if (!rows[0]!.standby) return;
  throw new TimewarpError('STORE_READ_ONLY', 'The store can only be read: it is a standby.', {
    facts: { side: 'store' },
  });
}

async function migrateLocked(session: Queryable, folder: string): Promise<MigrateResult> {
  await session.query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
  const from = await schemaVersion(session);
  const plan = migrator(folder, session);
  const latest = await plan.getMaxVersion();
  if (from > latest) throw tooNew(from, latest);
  await session.query(`
    DO $$ BEGIN
      IF to_regnamespace('pgtimewarp') IS NULL THEN CREATE SCHEMA pgtimewarp; END IF;
    END $$;
    SET LOCAL search_path = pgtimewarp, pg_catalog, pg_temp`);
  const applied = await plan.migrate().catch((error: unknown) => {
    throw checksumError(error) ?? error;
  });
  await session.query('SET LOCAL search_path = pg_catalog');
  return { from, to: latest, applied: applied.map(({ version, name }) => ({ version, name })) };
}

function migrator(folder: string, session?: Queryable): Postgrator {
  return new Postgrator({
    driver: 'pg',
    migrationPattern: `${folder.replace(/[*?()[\]{}!+@\\]/g, '\\$&')}/*.sql`,
    schemaTable: 'pgtimewarp.schema_migrations',
    validateChecksums: true,
    newline: 'LF',
    ...(session === undefined
      ? {}
      : {
          execQuery: (sql: string) => session.query(sql),
          execSqlScript: async (sql: string) => void (await session.query(sql)),
        }),
  });
}

function checksumError(error: unknown): TimewarpError | null {
  const version = /^MD5 checksum failed for migration \[(\d+)\]/.exec(
    error instanceof Error ? error.message : '',
  )?.[1];
  if (version === undefined) return null;
  return new TimewarpError(
    'SCHEMA_CHANGED',
    `Migration ${version} of the store is not the one of this program.`,
    {
      facts: { version },
      cause: error,
    },
  );
}

function tooNew(found: number, expected: number): TimewarpError {
  return new TimewarpError(
    'SCHEMA_TOO_NEW',
    `The schema of the store is at version ${found}, this program knows only ${expected}.`,
    { facts: { found, expected } },
  );
}

/** `migrations/` lies two folders up in a checkout (core/store), three in the package (dist/core/store), beside a bundle. */
function migrationsFolder(): string {
  const candidates = ['../../migrations', '../../../migrations', './migrations'].map((path) =>
    join(import.meta.dirname, path),
  );
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw new TimewarpError('INTERNAL', `The folder ${candidates[0]} is missing.`);
  return found;
}
