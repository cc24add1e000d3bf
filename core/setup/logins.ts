/**
 * Makes logins of the store, each a member of one role. A login that works stays unchanged, so that a deployment does not disturb a
 * rotation. No statement contains a password: the server gets only the verifier that it stores.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { connect, parseConnectionUrl } from '../pg/connection.ts';
import { isLacking } from '../pg/lacking.ts';

const ITERATIONS = 4096;

/** Makes sure that the user of the URL can log in and is a member of `role`. */
export async function ensureLogin(owner: pg.Client, url: string, role: string): Promise<void> {
  const { user, password = '' } = parseConnectionUrl(url, 'store');
  if (!(await canLogIn(url))) {
    const { rows } = await owner.query<{ statement: string }>(
      `SELECT format(CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1::text)
                          THEN 'ALTER ROLE %I LOGIN PASSWORD %L' ELSE 'CREATE ROLE %I LOGIN PASSWORD %L' END,
                     $1::text, $2::text) AS statement`,
      [user, scramVerifier(password)],
    );
    await owner.query(rows[0]!.statement);
  }
  const { rows } = await owner.query<{ statement: string | null }>(
    `SELECT CASE WHEN NOT pg_catalog.pg_has_role($1::name, $2::name, 'MEMBER')
                 THEN format('GRANT %I TO %I', $2::text, $1::text) END AS statement`,
    [user, role],
  );
  const grant = rows[0]!.statement;
  if (grant !== null) await owner.query(grant);
}

/**
 * A rotation with two users switches between two logins; the second is a member of the first. Each must see whether a run of the other
 * works, and end it if it hangs. @returns false if the owner of the store may not grant that
 */
export async function letSeeRuns(owner: pg.Client, url: string): Promise<boolean> {
  const { user } = parseConnectionUrl(url, 'store');
  const { rows } = await owner.query<{ statement: string }>(
    `SELECT format('GRANT pg_read_all_stats, pg_signal_backend TO %I', $1::text) AS statement
      WHERE NOT (pg_has_role($1::name, 'pg_read_all_stats', 'USAGE') AND pg_has_role($1::name, 'pg_signal_backend', 'USAGE'))`,
    [user],
  );
  try {
    for (const { statement } of rows) await owner.query(statement);
    return true;
  } catch (error) {
    if (isLacking(error)) return false;
    throw error;
  }
}

/** Whether the login of the URL is accepted. Throws a TimewarpError if the database cannot be reached. */
export async function canLogIn(url: string): Promise<boolean> {
  try {
    await (await connect(url, { side: 'store', node: 'logins' })).end();
    return true;
  } catch (error) {
    if (error instanceof TimewarpError && error.code === 'AUTHENTICATION_FAILED') return false;
    throw error;
  }
}

/**
 * The verifier that PostgreSQL stores for a password (RFC 5803). With it, the password itself appears in no statement and no log of the
 * server. Exported for tests.
 */
export function scramVerifier(password: string, salt = randomBytes(16)): string {
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${hmac('Server Key').toString('base64')}`;
}
