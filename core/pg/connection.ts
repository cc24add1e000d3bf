/**
 * Database sessions. Every session has fixed settings (session-settings.ts), so that the text of a value never depends on the
 * server, the database or the role. Every value arrives as PostgreSQL's text unless JavaScript can hold its type exactly.
 */
import pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type DatabaseSide, fromDatabaseError, noteSide } from './database-error.ts';
import { abandonSession, endInTime, rememberProcess, streamOf } from './end-session.ts';
import { isLacking } from './lacking.ts';
import { tapMessages } from './message-tap.ts';
import { passwordFromFile } from './password-file.ts';
import { markSessionSql } from './same-session.ts';
import { sessionSettingsSql } from './session-settings.ts';
import { tlsFor } from './tls.ts';
import { watchSession } from './watch-session.ts';

/** The part of a session that most functions need: a pool has it too. */
export type Queryable = Pick<pg.Client, 'query'>;

export interface ConnectOptions {
  readonly side: DatabaseSide;
  /** Shown in pg_stat_activity as `pgtimewarp/<node>`. */
  readonly node: string;
  /** How long to wait for the connection, and then for the answer to the first statement; default 10 s each. */
  readonly connectTimeoutMs?: number;
  /** `statement_timeout` of the session; 0 (the default) means none. */
  readonly statementTimeoutMs?: number;
  /** If a statement gets no answer for this long, the session ends. */
  readonly answerTimeoutMs?: number;
  /** See core/pg/watch-session.ts. */
  readonly isWatched?: boolean;
}

/** TCP checks an idle connection after this time. The default of the system is two hours. */
const KEEP_ALIVE_DELAY_MS = 10_000;

/** OIDs of the types that JavaScript holds exactly; values of every other type stay text. */
const BOOL = 16;
const INT2 = 21;
const INT4 = 23;
const OID = 26;
const TEXT_ARRAY = 1009;
const NAME_ARRAY = 1003;

const toInteger = (text: string): number => Number.parseInt(text, 10);
const toBoolean = (text: string): boolean => text === 't';
const asText = (text: string): string => text;
const toTextArray = pg.types.getTypeParser(TEXT_ARRAY as never) as unknown as (text: string) => string[];

/** Type parsers of all our sessions: no value becomes a Date, a float or a parsed JSON value. */
export const LOSSLESS_TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number) => {
    switch (oid) {
      case BOOL:
        return toBoolean;
      case INT2:
      case INT4:
      case OID:
        return toInteger;
      case TEXT_ARRAY:
      case NAME_ARRAY:
        return toTextArray;
      default:
        return asText;
    }
  }) as pg.CustomTypesConfig['getTypeParser'],
};

/** Parser set for reading row values: every column as PostgreSQL's text. */
export const RAW_TEXT_TYPES: pg.CustomTypesConfig = {
  getTypeParser: (() => asText) as pg.CustomTypesConfig['getTypeParser'],
};

/** The node that a session serves, if it is not the one that it was opened for. */
const SERVED = new WeakMap<pg.Client, string>();

/** How long the first statement, which sets the settings, may take. It is cheap for the server. */
const FIRST_ANSWER_MS = 10_000;

/** Options of a session that watches or ends another one. */
const BESIDE = { isWatched: false, connectTimeoutMs: 5_000 } as const;

/** The server process of the session, and its start. */
const PROCESS_SQL = `SELECT a.pid, a.backend_start::text AS since FROM pg_catalog.pg_stat_activity AS a
                      WHERE a.pid = pg_catalog.pg_backend_pid()`;

/** For a platform that refuses pg_stat_activity. */
const PID_SQL = 'SELECT pg_catalog.pg_backend_pid() AS pid, NULL::text AS since';

/** The configuration of a session for a pool or a client. Throws BAD_FLAGS when `url` is not a PostgreSQL URL. */
export function sessionConfig(url: string, options: ConnectOptions): pg.ClientConfig {
  const parsed = parseConnectionUrl(url, options.side);
  // pg accepts undefined here (and then reports the missing password), but its types do not
  const askFile = (): Promise<string> => passwordFromFile(parsed) as Promise<string>;
  return {
    host: parsed.host,
    port: parsed.port,
    user: parsed.user,
    password: parsed.password ?? askFile,
    database: parsed.database,
    ssl: tlsFor(parsed.host, parsed.parameters, options.side),
    ...commonConfig(options),
  };
}

function commonConfig(options: ConnectOptions): pg.ClientConfig {
  return {
    application_name: `pgtimewarp/${options.node}`,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: LOSSLESS_TYPES,
  };
}

/**
 * Opens a session with the fixed output settings. Throws TimewarpError: *_UNREACHABLE, AUTHENTICATION_FAILED,
 * DATABASE_MISSING, BAD_FLAGS. A session that breaks while idle does not bring the process down: its next query fails.
 */
export async function connect(url: string, options: ConnectOptions): Promise<pg.Client> {
  return open(sessionConfig(url, options), options, redactUrl(url));
}

/** Opens another session with the database and the login of `session`; throws as {@link connect} does. */
export async function connectBeside(session: pg.Client, options: ConnectOptions): Promise<pg.Client> {
  const { host, port, user, password, database, ssl } = session as pg.Client & pg.ClientConfig;
  const target: pg.ClientConfig = { host, port, user, password, database, ssl };
  return open({ ...target, ...commonConfig(options) }, options, `${host}:${port}`);
}

async function open(config: pg.ClientConfig, options: ConnectOptions, target: string): Promise<pg.Client> {
  const { side, statementTimeoutMs, answerTimeoutMs, isWatched = true } = options;
  const client = new pg.Client(config);
  client.on('error', () => {});
  endInTime(client);
  const openBeside = (): Promise<pg.Client> =>
    connectBeside(client, { side, node: SERVED.get(client) ?? options.node, ...BESIDE });
  try {
    await client.connect();
    if (side === 'source') tapMessages(client, streamOf(client));
    guardParser(client);
    const { processID } = client as unknown as { processID: number };
    rememberProcess(client, { pid: processID, since: null, openBeside });
    const settings = `${sessionSettingsSql(side, statementTimeoutMs)}; ${markSessionSql(client)}`;
    const ask = (process: string) => (): Promise<unknown> => client.query(`${settings}; ${process}`);
    const limitMs = options.connectTimeoutMs ?? FIRST_ANSWER_MS;
    const answers = await answered(client, ask(PROCESS_SQL), limitMs).catch((error: unknown) => {
      if (!isLacking(error)) throw error;
      return answered(client, ask(PID_SQL), limitMs);
    });
    const { pid, since } = (answers as pg.QueryResult<{ pid: number; since: string | null }>[]).at(-1)!
      .rows[0]!;
    rememberProcess(client, { pid, since, openBeside });
    rememberSide(client, side, answerTimeoutMs);
    if (isWatched) watchSession(client, { pid, openBeside });
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw fromDatabaseError(error, side, target);
  }
}

/** Limits a query to which no limit of a run applies: without an answer in time, the session ends. */
export async function answered<T>(client: pg.Client, ask: () => Promise<T>, limitMs?: number): Promise<T> {
  const late = (): void => void abandonSession(client, 'no answer in time');
  const timer = limitMs === undefined ? undefined : setTimeout(late, limitMs);
  try {
    return await ask();
  } finally {
    clearTimeout(timer);
  }
}

/**
 * If a message is too long for a string, pg throws in an event of the socket, where no caller can catch it. This function ends
 * such a session and passes the error to the running query.
 */
function guardParser(client: pg.Client): void {
  const stream = streamOf(client);
  for (const listener of stream.listeners('data') as ((chunk: Buffer) => void)[]) {
    stream.off('data', listener);
    stream.on('data', (chunk) => {
      try {
        listener.call(stream, chunk);
      } catch (error) {
        stream.destroy(error as Error);
      }
    });
  }
}

/**
 * Makes a used session as good as a new one: no transaction, no locks, our settings. Throws when the session is dead: after a
 * long pause, only a query shows that.
 * @param node the node that it serves from now on; otherwise the one that it was opened for
 */
// biome-ignore lint/complexity/useMaxParams: as of a new session, with defaults
export async function resetSession(
  session: pg.Client,
  side: DatabaseSide,
  statementTimeoutMs = 0,
  node?: string,
): Promise<void> {
  await session.query('ROLLBACK'); // without a transaction it only warns
  await session.query('DISCARD ALL');
  if (node !== undefined) {
    SERVED.set(session, node);
    await session.query(`SELECT set_config('application_name', $1::text, false)`, [`pgtimewarp/${node}`]);
  }
  await session.query(`${sessionSettingsSql(side, statementTimeoutMs)}; ${markSessionSql(session)}`);
}

/** Notes the side with each error of a query of this session, also when the connection breaks during a command. */
function rememberSide(client: pg.Client, side: DatabaseSide, answerTimeoutMs?: number): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const remembering = (...args: unknown[]): unknown => {
    const result = query(...args);
    if (!(result instanceof Promise)) return result; // a cursor or a COPY, which report errors by events
    if (answerTimeoutMs !== undefined) {
      const late = (): unknown => abandonSession(client, 'no answer in time');
      const timer = setTimeout(late, answerTimeoutMs).unref();
      const settled = (): void => clearTimeout(timer);
      result.then(settled, settled);
    }
    return result.catch((error: unknown) => {
      noteSide(error, side);
      throw error;
    });
  };
  client.query = remembering as typeof client.query;
}

interface ConnectionUrl {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly parameters: URLSearchParams;
}

/** Parameters of libpq that choose the server. Without them another server would answer. */
const NOT_FOLLOWED = ['service', 'servicefile', 'hostaddr'];

/** Takes a `postgres://` URL apart (PostgreSQL manual, "Connection URIs"); `?host=/dir` names a socket directory. */
export function parseConnectionUrl(url: string, side: DatabaseSide): ConnectionUrl {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw badUrl(side);
  }
  if (parsed.protocol !== 'postgres:' && parsed.protocol !== 'postgresql:') throw badUrl(side);
  if (isTornPassword(parsed)) throw badUrl(side);
  const parameters = parsed.searchParams;
  const elsewhere = NOT_FOLLOWED.find((name) => parameters.has(name));
  if (elsewhere !== undefined) {
    throw new TimewarpError(
      'BAD_FLAGS',
      `${elsewhere}=… in --${side} is not supported, and it would choose another server.`,
      {
        remedy: 'Write host, port, user and database of the server into the URL.',
      },
    );
  }
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      throw badUrl(side); // a percent sign that is not percent-encoded
    }
  };
  const user = decode(parsed.username) || parameters.get('user') || process.env.USER || 'postgres';
  return {
    host: parameters.get('host') ?? (decode(parsed.hostname).replace(/^\[|\]$/g, '') || 'localhost'),
    port: toInteger(parameters.get('port') ?? (parsed.port || '5432')),
    user,
    password: decode(parsed.password) || parameters.get('password') || process.env.PGPASSWORD,
    database: decode(parsed.pathname.slice(1)) || parameters.get('dbname') || user,
    parameters,
  };
}

/**
 * `postgres://user:12/34@host/db`: a bare `/`, `?` or `#` in the password ends the host. A part of the password would then be
 * looked up as a host name and shown in messages.
 */
function isTornPassword({ pathname, search, hash }: URL): boolean {
  const [firstParameter = ''] = search.split('=');
  return pathname.includes('@') || firstParameter.includes('@') || hash !== '';
}

function badUrl(side: DatabaseSide): TimewarpError {
  return new TimewarpError('BAD_FLAGS', `--${side} is not a connection URL.`, {
    remedy: `Write it as postgres://user:password@host:5432/database, with / ? # @ and % of a password percent-encoded (option --${side} or its environment variable).`,
  });
}

/** The URL without its password and parameters, for messages. */
export function redactUrl(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.protocol}//${parsed.username ? `${parsed.username}@` : ''}${parsed.host}${parsed.pathname}`;
  } catch {
    return '(not a URL)';
  }
}
