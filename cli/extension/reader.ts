/**
 * The login with which the functions read the store, if the user names none. The login of the existing connection is kept as long
 * as it works. Otherwise a new login is made for this source alone, so that two sources, or a source and its copy, never change each
 * other's password. Only the user mapping on the source has the password.
 */
import { randomBytes } from 'node:crypto';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect, parseConnectionUrl, type Queryable } from '../../core/pg/connection.ts';
import { sqlState } from '../../core/pg/database-error.ts';
import { quoteIdentifier } from '../../core/pg/identifiers.ts';
import { inTransaction } from '../../core/pg/transaction.ts';
import { canLogIn, ensureLogin } from '../../core/setup/logins.ts';

export interface Reader {
  readonly name: string;
  readonly password: string;
  /** Whether this call created the login. */
  readonly made: boolean;
}

const ROLE = 'pgtimewarp_reader';
const PREFIX = `${ROLE}_`;
const INSUFFICIENT_PRIVILEGE = '42501';

/** Throws PERMISSION_DENIED, with the SQL to run, if the login of --store may not create roles. */
export async function ensureReader(source: Queryable, storeUrl: string, node: string): Promise<Reader> {
  const present = await mappedReader(source);
  if (present !== null && (await canLogIn(urlOf(storeUrl, present)))) return { ...present, made: false };
  const reader = {
    name: `${PREFIX}${randomBytes(4).toString('hex')}`,
    password: randomBytes(24).toString('base64url'),
  };
  const store = await connect(storeUrl, { side: 'store', node });
  try {
    await inTransaction(store, async (tx) => {
      await ensureLogin(tx, urlOf(storeUrl, reader), ROLE);
      await tx.query(
        `COMMENT ON ROLE ${quoteIdentifier(reader.name)} IS 'made by pgtimewarp extension connect for node ${node}'`,
      );
    });
  } catch (error) {
    throw sqlState(error) === INSUFFICIENT_PRIVILEGE ? mayNot(storeUrl, error) : error;
  } finally {
    await store.end().catch(() => {});
  }
  return { ...reader, made: true };
}

/** The user mapping of the source's connection, as far as this login may see it. */
async function mappedReader(source: Queryable): Promise<{ name: string; password: string } | null> {
  const { rows } = await source.query<{ name: string | null; password: string | null }>(
    `SELECT (SELECT option_value FROM pg_options_to_table(m.umoptions) WHERE option_name = 'user') AS name,
            (SELECT option_value FROM pg_options_to_table(m.umoptions) WHERE option_name = 'password') AS password
       FROM pg_user_mappings m
       JOIN pg_proc v ON v.oid = to_regprocedure('pgtimewarp_internal.version()') AND v.proowner = m.umuser
      WHERE m.srvname = 'pgtimewarp'`,
  );
  const { name = null, password = null } = rows[0] ?? {};
  return name === null || password === null ? null : { name, password };
}

/** The login of the source's connection if this program made it; otherwise null. */
export async function ownReader(source: Queryable): Promise<string | null> {
  const reader = await mappedReader(source);
  return reader?.name.startsWith(PREFIX) ? reader.name : null;
}

/** Drops a login that {@link ensureReader} has just created. */
export async function dropReader(storeUrl: string, { name }: Reader, node: string): Promise<void> {
  const store = await connect(storeUrl, { side: 'store', node });
  try {
    await store.query(`DROP ROLE ${quoteIdentifier(name)}`);
  } finally {
    await store.end().catch(() => {});
  }
}

function urlOf(storeUrl: string, { name, password }: { name: string; password: string }): string {
  const { host, port, database, parameters } = parseConnectionUrl(storeUrl, 'store');
  const wanted = new URLSearchParams(parameters);
  wanted.set('host', host);
  wanted.set('port', String(port));
  const login = [name, password].map(encodeURIComponent).join(':');
  return `postgres://${login}@localhost/${encodeURIComponent(database)}?${wanted}`;
}

function mayNot(storeUrl: string, cause: unknown): TimewarpError {
  const { user } = parseConnectionUrl(storeUrl, 'store');
  return new TimewarpError('PERMISSION_DENIED', `${user} may not create a login in the store.`, {
    cause,
    remedy:
      `As a role that may create logins, run in the store: CREATE ROLE history_reader LOGIN PASSWORD '…' IN ROLE ${ROLE}; ` +
      'then `PGTIMEWARP_READER_PASSWORD=… pgtimewarp extension connect --reader history_reader`.',
  });
}
