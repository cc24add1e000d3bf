/**
 * Brings the store's schema up to date: numbered migrations for tables, types, roles and drops, then the present functions and
 * views (functions.ts). One transaction with an advisory lock does all of it, so a store is never between two versions, also
 * when two processes migrate at once. A store that is newer than this program stays as it is.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import Postgrator from 'postgrator';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { sqlState } from '../../pg/database-error.ts';
import { refuseEncoding } from '../../pg/encoding.ts';
import { inPatientTransaction, type StoreTransaction } from '../../pg/transaction.ts';
import { applyFunctions, digestOfFunctions, digestOfStore } from './functions.ts';

export interface MigrateResult {
  /** Version before and after; 0 is a database without the schema. */
  readonly from: number;
  readonly to: number;
  readonly applied: readonly { readonly version: number; readonly name: string }[];
  /** Whether functions and views were replaced by those of this program. */
  readonly functions: boolean;
}

export interface SchemaState {
  /** The version of the store's schema; 0: it has none. */
  readonly version: number;
  /** The version that this program works with: the highest of its migrations. */
  readonly expected: number;
  /** Whether its functions and views are those of this program, as far as they were not changed by hand. */
  readonly hasOurFunctions: boolean;
}

/** The versions of a store that is up to date. */
export const OTHER_FUNCTIONS = 'The functions of the store are those of another version of pgtimewarp.';

/** The key of the advisory lock: the bytes of "pgtimewa" as a number. */
const MIGRATION_LOCK = '8099837163303462753';

/**
 * Roles belong to the server, so migrations of two stores on one server can conflict. The later one fails with a unique
 * violation (23505) or "tuple concurrently updated" (XX000), is rolled back and tries again.
 */
const MET_ANOTHER_STORE = new Set(['23505', 'XX000']);
const ATTEMPTS = 5;

/**
 * Applies the migrations that the store lacks. `session` is a single session, not a pool.
 * Throws SCHEMA_TOO_NEW, SCHEMA_CHANGED, ENCODING_REFUSED, and TRANSACTION_CONFLICT when others lock its tables for long.
 */
export async function migrate(session: pg.Client, folder = migrationsFolder()): Promise<MigrateResult> {
  await refuseEncoding(session, 'store');
  for (let attempt = 1; ; attempt++) {
    try {
      return await inPatientTransaction(session, (tx) => migrateLocked(tx, folder));
    } catch (error) {
      if (attempt === ATTEMPTS || !MET_ANOTHER_STORE.has(sqlState(error) ?? '')) throw error;
    }
  }
}

/** The version of the store's schema; 0 when it has none. Throws SCHEMA_CHANGED when it is from before 0.1.0. */
export async function schemaVersion(store: Queryable): Promise<number> {
  const { rows: present } = await store.query<{ present: boolean; is_of_before: boolean }>(
    `SELECT to_regclass('pgtimewarp.schema_migrations') IS NOT NULL AS present,
            to_regclass('pgtimewarp.schema_functions') IS NULL AS is_of_before`,
  );
  if (!present[0]!.present) return 0;
  if (present[0]!.is_of_before) {
    throw new TimewarpError(
      'SCHEMA_CHANGED',
      'The store was made by a state of pgtimewarp from before 0.1.0.',
    );
  }
  const { rows } = await store.query<{ version: number }>(
    'SELECT coalesce(max(version), 0)::int AS version FROM pgtimewarp.schema_migrations',
  );
  return rows[0]!.version;
}

/** The version that this program works with: the highest of its migrations. */
export async function expectedSchemaVersion(folder = migrationsFolder()): Promise<number> {
  return migrator(folder).getMaxVersion();
}

export async function readSchemaState(store: Queryable, folder = migrationsFolder()): Promise<SchemaState> {
  const [version, expected] = [await schemaVersion(store), await expectedSchemaVersion(folder)];
  const hasOurFunctions =
    version === expected && (await digestOfStore(store)) === (await digestOfFunctions(folder));
  return { version, expected, hasOurFunctions };
}

/** Throws SCHEMA_OUTDATED or SCHEMA_TOO_NEW unless the store's schema is the one this program works with. */
export async function requireSchema(store: Queryable): Promise<void> {
  const { version: found, expected, hasOurFunctions } = await readSchemaState(store);
  if (found > expected) throw tooNew(found, expected);
  if (found < expected) {
    const message =
      found === 0
        ? 'The store has no pgtimewarp schema.'
        : `The schema of the store is at version ${found}, this program needs ${expected}.`;
    throw new TimewarpError('SCHEMA_OUTDATED', message, { facts: { found, expected } });
  }
  if (!hasOurFunctions)
    throw new TimewarpError('SCHEMA_OUTDATED', OTHER_FUNCTIONS, { facts: { found, expected } });
}

/**
 * Checks the store for a command that writes, before the command changes anything on the source: like {@link requireSchema}, and
 * throws STORE_READ_ONLY when the store is a standby.
 */
export async function requireWritable(store: Queryable): Promise<void> {
  await requireSchema(store);
  const { rows } = await store.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
  if (!rows[0]!.standby) return;
  throw new TimewarpError('STORE_READ_ONLY', 'The store can only be read: it is a standby.', {
    facts: { side: 'store' },
  });
}

async function migrateLocked(session: StoreTransaction, folder: string): Promise<MigrateResult> {
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
  const functions = await applyFunctions(session, folder);
  await session.query('SET LOCAL search_path = pg_catalog');
  return { from, to: latest, applied: applied.map(({ version, name }) => ({ version, name })), functions };
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

/** `migrations/` is beside a bundle for Lambda, two folders up in the package (dist/chunks), three in a checkout. */
function migrationsFolder(): string {
  const candidates = ['./migrations', '../../migrations', '../../../migrations'].map((path) =>
    join(import.meta.dirname, path),
  );
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw new TimewarpError('INTERNAL', `The folder ${candidates[0]} is missing.`);
  return found;
}
