/**
 * Passwords and row values are planted in everything that fails; no message, log, event or document contains them.
 * (blocked_changes keeps the rows of a blocked transaction for the operator, and answers contain row values.)
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Output } from '../../../cli/output.ts';
import { toError } from '../../../cli/to-error.ts';
import type { ErrorCode } from '../../../core/errors/codes.ts';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import { connect } from '../../../core/pg/connection.ts';
import { messageWithoutData } from '../../../core/pg/database-error.ts';
import { type PollResult, poll } from '../../../core/poll.ts';
import { init } from '../../../core/setup/init.ts';
import { skip } from '../../../core/skip.ts';
import { MAX_FAILURES, readFailure } from '../../../core/store/node/failures.ts';
import { track } from '../../../core/track.ts';
import { errorFields } from '../../../lambda/shared/observability.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { runCli } from '../../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const VALUE = 'pLaNtEdVaLuE';
const PASSWORD = 'pLaNtEd%/?#:@w0rD';
const TABLES = 'CREATE TABLE notes (id int PRIMARY KEY, note text)';

/** The store refuses a row in ways in which PostgreSQL shows the row: in DETAIL, and in the message itself. */
const REFUSALS = {
  'a check, which shows the row in its detail':
    'ALTER TABLE pgtimewarp.row_changes ADD CONSTRAINT refuse CHECK (false) NOT VALID',
  'a value that does not fit, which the message quotes': `
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM (NEW.row_data ->> 'note')::int; RETURN NEW; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON pgtimewarp.row_changes FOR EACH ROW EXECUTE FUNCTION refuse()`,
  'text that is no JSON, which the context quotes': `
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM (NEW.row_data ->> 'note')::json; RETURN NEW; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON pgtimewarp.row_changes FOR EACH ROW EXECUTE FUNCTION refuse()`,
};

function expectSilence(text: string, ...secrets: readonly string[]): void {
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), ...secrets])
    expect(text).not.toContain(secret);
}

/** Databases whose URLs contain the planted password. */
async function databasesWithPassword(): Promise<TestDatabases & { role: string }> {
  const databases = await testDatabases({ tables: TABLES });
  const role = `secret_${databases.node}`;
  await databases.source.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${PASSWORD}'`);
  const withPassword = (text: string): string => {
    const url = new URL(text);
    [url.username, url.password] = [role, encodeURIComponent(PASSWORD)];
    return url.href;
  };
  const [sourceUrl, storeUrl] = [databases.sourceUrl, databases.storeUrl].map(withPassword) as [
    string,
    string,
  ];
  return {
    ...databases,
    role,
    sourceUrl,
    storeUrl,
    env: { ...databases.env, PGTIMEWARP_SOURCE_URL: sourceUrl, PGTIMEWARP_STORE_URL: storeUrl },
    [Symbol.asyncDispose]: async () => {
      await databases.source.query(`ALTER ROLE ${role} NOLOGIN`);
      const admin = await databases.connect('source');
      await admin.query(
        'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1::name',
        [role],
      );
      await admin.query(`REASSIGN OWNED BY ${role} TO CURRENT_USER`);
      const store = await databases.connect('store');
      await store.query(`REASSIGN OWNED BY ${role} TO CURRENT_USER`);
      await admin.query(`DROP ROLE ${role}`);
      await databases[Symbol.asyncDispose]();
    },
  };
}

/** Everything in the store except history and kept transactions. */
async function notes(databases: TestDatabases): Promise<string> {
  const { rows } = await databases.store.query<{ text: string }>(
    `SELECT concat_ws(E'\\n',
              (SELECT string_agg(h::text, E'\\n') FROM pgtimewarp.health_events h),
              (SELECT string_agg(c::text, E'\\n') FROM pgtimewarp.wal_checkpoints c),
              (SELECT string_agg(n::text, E'\\n') FROM pgtimewarp.nodes n),
              (SELECT string_agg(g::text, E'\\n') FROM pgtimewarp.history_gaps g),
              (SELECT string_agg(r::text, E'\\n') FROM pgtimewarp.tracked_relations r)) AS text`,
  );
  return rows[0]!.text;
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a transaction that the store refuses, through ${plugin}`, () => {
    test.each(Object.entries(REFUSALS))('by %s', async (_, refusal) => {
      await using databases = await databasesWithPassword();
      const { sourceUrl, storeUrl, node, env } = databases;
      const urls = { sourceUrl, storeUrl, node };
      await init({ ...urls, plugin, slotName: null, version: 'test' });
      const table = { schema: 'public', name: 'notes' };
      await track({ ...urls, table, baseline: true, exclude: [], retention: null });
      await databases.store.query(refusal);
      await databases.source.query('INSERT INTO notes VALUES (1, $1)', [VALUE]);
      let blocked: PollResult | null = null;
      for (let run = 1; blocked === null; run++) {
        // a run does not count if it finds the session of the earlier run still at the slot
        expect(run).toBeLessThan(3 * MAX_FAILURES);
        const ended = await poll(urls).catch((error: unknown) => error);
        if (!(ended instanceof Error)) blocked = ended as PollResult;
        else {
          expectSilence(printed(ended), VALUE);
          expectSilence(JSON.stringify(errorFields(ended)), VALUE);
        }
      }
      expect(blocked.outcome).toBe('blocked');
      expectSilence(blocked.reason!, VALUE);
      const kept = await notes(databases);
      expect(kept).toContain('NODE_BLOCKED');
      expectSilence(kept, VALUE);
      if (plugin === 'pgoutput' && refusal.includes('::int')) {
        for (const command of ['poll', 'doctor', 'status', 'events']) {
          const result = await runCli([command, '--verbose', '--json'], { env });
          expect(result.json(), result.stderr).not.toBeNull();
          expectSilence(result.stdout + result.stderr, VALUE);
        }
      }
      await skip({ ...urls, lsn: (await readFailure(databases.store, node))!.lsn! });
      expectSilence(await notes(databases), VALUE);
    });
  });
}

describe('connections', () => {
  let databases: Awaited<ReturnType<typeof databasesWithPassword>>;

  beforeAll(async () => {
    databases = await databasesWithPassword();
  });

  afterAll(async () => databases?.[Symbol.asyncDispose]());

  const failureOf = async (url: string): Promise<TimewarpError> => {
    const session = await connect(url, { side: 'store', node: 'n' }).catch((error: unknown) =>
      toError(error),
    );
    if (session instanceof TimewarpError) return session;
    await session.end();
    throw new Error('the connection did not fail');
  };

  test.each<
    [
      string,
      ErrorCode,
      () => Partial<Record<'port' | 'host' | 'pathname' | 'username' | 'password' | 'search', string>>,
    ]
  >([
    ['no server listens', 'STORE_UNREACHABLE', () => ({ port: '1' })],
    ['there is no such host', 'STORE_UNREACHABLE', () => ({ host: 'nowhere.invalid' })],
    ['there is no such database', 'DATABASE_MISSING', () => ({ pathname: '/nothing' })],
    ['the password is wrong', 'AUTHENTICATION_FAILED', () => ({ username: 'postgres' })],
    ['there is no password', 'AUTHENTICATION_FAILED', () => ({ password: '' })],
    [
      'the password is a parameter',
      'STORE_UNREACHABLE',
      () => ({ password: '', port: '1', search: `?password=${encodeURIComponent(PASSWORD)}` }),
    ],
    ['sslmode is unknown', 'BAD_FLAGS', () => ({ search: '?sslmode=maybe' })],
  ])('when %s', async (_, code, change) => {
    const url = new URL(databases.storeUrl);
    Object.assign(url, change());
    const failure = await failureOf(url.href);
    expect(failure.code, failure.message).toBe(code);
    expectSilence(printed(failure) + JSON.stringify(errorFields(failure)));
  });

  test.each(['/', '?', '#', '%'])(
    'a password with a bare %s is refused, and no part of it is shown',
    async (mark) => {
      for (const password of [`first${mark}second`, `12${mark}second`]) {
        const failure = await failureOf(`postgres://somebody:${password}@127.0.0.1:1/nothing`);
        expect(failure).toMatchObject({
          code: 'BAD_FLAGS',
          remedy: expect.stringContaining('percent-encoded'),
        });
        const text = printed(failure).replace(/^\s+at .*$/gm, '');
        for (const part of ['first', 'second', '12']) expect(text).not.toContain(part);
      }
    },
  );

  test('values in messages are hidden in every language and quotation style of the server', () => {
    const failure = (message: string, code = '22P02'): Error => Object.assign(new Error(message), { code });
    const nested = failure(`invalid input syntax for type integer: "a "${VALUE}" b"`);
    expect(messageWithoutData(nested)).toBe('invalid input syntax for type integer: "…"');
    expectSilence(messageWithoutData(failure(`ungültige Eingabesyntax für Typ integer: »${VALUE}«`)), VALUE);
    expect(messageWithoutData(failure('relation "orders" does not exist', '42P01'))).toContain('orders');
  });

  test('an error of the command line, with --verbose and --json', async () => {
    const env = { ...databases.env, PGTIMEWARP_STORE_URL: databases.storeUrl.replace(/:\d+\//, ':1/') };
    const result = await runCli(['status', '--verbose', '--json'], { env });
    expect(result.json()).toMatchObject({ error: { code: 'STORE_UNREACHABLE' } });
    expectSilence(result.stdout + result.stderr);
  });
});

/** What the command line prints about a failure with --verbose. */
function printed(failure: unknown): string {
  let text = '';
  const stream = { write: (chunk: string) => (text += chunk) } as unknown as NodeJS.WriteStream;
  new Output({ json: true, verbose: true }, { stdout: stream, stderr: stream }).error(toError(failure));
  return text;
}
