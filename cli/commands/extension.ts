/** `extension`: the SQL functions on the source. */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type pg from 'pg';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect, parseConnectionUrl } from '../../core/pg/connection.ts';
import { formatTableName, parseTableName, type TableName } from '../../core/pg/identifiers.ts';
import { inSourceTransaction } from '../../core/pg/transaction.ts';
import { readTrackedRelations } from '../../core/store/tables/read.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { connectStore, type StoreConnection } from '../extension/connect-store.ts';
import {
  chooseMethod,
  findInstallation,
  install,
  METHODS,
  type Method,
  requireInstallation,
  uninstall,
  upgrade,
  type WrapperFate,
} from '../extension/methods.ts';
import { dropReader, ensureReader, ownReader, type Reader } from '../extension/reader.ts';
import { makeViews, PAST_SCHEMA, type PastTable, removeViews } from '../extension/views.ts';
import type { Settings } from '../settings.ts';

const PASSWORD_VARIABLE = 'PGTIMEWARP_READER_PASSWORD';

export function registerExtension(program: Command, run: Run): Command {
  const group = program
    .command('extension')
    .description('history in SQL: functions on the source that read the store')
    .addHelpText('after', '\nExample:\n  pgtimewarp extension install && pgtimewarp extension connect');
  group
    .command('install')
    .description('create the functions')
    .addOption(
      new Option('--method <method>', 'how to install (default: by what the server has)').choices(METHODS),
    )
    .option('--schema <name>', 'schema of the functions', 'public')
    .action((flags: InstallFlags) => run((context) => withSource(context, installCommand(flags))));
  group
    .command('connect')
    .description('connect the functions to the store by a login that reads it')
    .option('--reader <role>', 'login of the store with the role pgtimewarp_reader (default: create one)')
    .option(
      '--password-file <file>',
      `file with the reader's password on its first line; - for stdin (default: $${PASSWORD_VARIABLE})`,
    )
    .option('--store-host <host>', 'host of the store, as seen from the source (default: that of --store)')
    .addOption(
      new Option(
        '--store-port <port>',
        'port of the store, as seen from the source (default: that of --store)',
      ).argParser(port),
    )
    .option('--sslmode <mode>', 'sslmode of libpq (default: verify-full for hosts that are not local)')
    .option('--sslrootcert <file>', "file of certificate authorities, a path on the source's server")
    .action((flags: ConnectFlags) => run((context) => withSource(context, connectCommand(flags))));
  group
    .command('views')
    .description('create or renew the schema asof: one view for each tracked table, as of pgtimewarp.as_of')
    .argument('[table...]', 'only these tables (default: all tracked ones)')
    .option('--remove', 'remove the views')
    .action((tables: string[], flags: ViewsFlags) =>
      run((context) => withSource(context, viewsCommand(tables, flags))),
    );
  group
    .command('upgrade')
    .description('upgrade the functions to the version of this program')
    .action(() => run((context) => withSource(context, upgradeCommand)));
  group
    .command('uninstall')
    .description('remove the functions and the connection; history stays')
    .action(() => run((context) => withSource(context, uninstallCommand)));
  return group;
}

interface InstallFlags {
  readonly method?: Method;
  readonly schema: string;
}

interface ConnectFlags {
  readonly reader?: string;
  readonly passwordFile?: string;
  readonly storeHost?: string;
  readonly storePort?: number;
  readonly sslmode?: string;
  readonly sslrootcert?: string;
}

interface ViewsFlags {
  readonly remove?: boolean;
}

type Body = (context: CommandContext, source: pg.Client) => Promise<ExitCode>;

function installCommand(flags: InstallFlags): Body {
  return async ({ out }, source) => {
    const present = await findInstallation(source);
    if (present !== null) {
      out.result(
        { ...present, created: false },
        () => `Installed already: ${describe(present)}. Nothing changed.`,
      );
      return EXIT.done;
    }
    const { method, why } =
      flags.method === undefined ? await chooseMethod(source) : { method: flags.method, why: 'as asked for' };
    const done = await inSourceTransaction(source, () => install(source, method, flags.schema));
    out.result(
      { ...done, created: true, why },
      () => `Installed: ${describe(done)} (${why}).\nNext: pgtimewarp extension connect`,
    );
    return EXIT.done;
  };
}

function connectCommand(flags: ConnectFlags): Body {
  return async ({ settings, out }, source) => {
    const { schema } = await requireInstallation(source);
    const url = parseConnectionUrl(settings.storeUrl, 'store');
    const reader = await chooseReader(source, settings, flags);
    const to: StoreConnection = {
      host: flags.storeHost ?? url.host,
      port: flags.storePort ?? url.port,
      database: url.database,
      reader: reader.name,
      password: reader.password,
      node: settings.node,
      sslMode: flags.sslmode ?? null,
      sslRootCert: flags.sslrootcert ?? null,
    };
    try {
      await connectStore(source, schema, to);
    } catch (error) {
      if (reader.made) await dropReader(settings.storeUrl, reader, settings.node).catch(() => {});
      throw error;
    }
    const { password: _, sslMode, sslRootCert, ...others } = to;
    const shown = { ...others, ssl_mode: sslMode, ssl_root_cert: sslRootCert };
    out.result(
      { ...shown, reader_made: reader.made },
      () =>
        (reader.made ? `Made the login ${to.reader} in the store.\n` : '') +
        `The functions read ${to.database} on ${to.host}:${to.port} as ${to.reader}, node "${to.node}" by default.\n` +
        `No role may call them yet. To allow it: GRANT EXECUTE ON FUNCTION ${schema}.pgtimewarp_asof_pk TO …`,
    );
    return EXIT.done;
  };
}

async function chooseReader(source: pg.Client, settings: Settings, flags: ConnectFlags): Promise<Reader> {
  if (flags.reader !== undefined) {
    return { name: flags.reader, password: readPassword(flags.passwordFile), made: false };
  }
  if (flags.passwordFile === undefined) return ensureReader(source, settings.storeUrl, settings.node);
  throw new TimewarpError('BAD_FLAGS', '--password-file needs --reader: it is the password of that login.');
}

function viewsCommand(texts: readonly string[], { remove }: ViewsFlags): Body {
  return async ({ settings, out }, source) => {
    if (remove) {
      if (texts.length > 0)
        throw new TimewarpError('BAD_FLAGS', '--remove takes no tables: it removes every view.');
      const removed = await inSourceTransaction(source, () => removeViews(source));
      out.result({ removed }, () => `Removed ${removed.length} views of the schema ${PAST_SCHEMA}.`);
      return EXIT.done;
    }
    await requireInstallation(source);
    const tracked = await readPastTables(settings);
    const wanted =
      texts.length === 0
        ? tracked
        : texts.map((text) => requireTracked(tracked, parseTableName(text), settings));
    const { made, removed } = await inSourceTransaction(source, async () => ({
      removed: await removeViews(
        source,
        tracked.map(({ name }) => name),
      ),
      made: await makeViews(source, wanted),
    }));
    const views = made.map(({ view, table, leftOut }) => ({
      view: `${PAST_SCHEMA}.${view}`,
      table: formatTableName(table),
      left_out: leftOut,
    }));
    out.result({ views, removed }, () =>
      [
        ...views.map(({ view, table, left_out: leftOut }) =>
          leftOut.length === 0
            ? `${view} shows ${table}`
            : `${view} shows ${table} without ${leftOut.join(', ')}`,
        ),
        ...removed.map((view) => `${PAST_SCHEMA}.${view} is removed: its table is not tracked any more`),
        `Whoever may read a table may read its view.\nNext: SET search_path = ${PAST_SCHEMA}, public; SET pgtimewarp.as_of = '…';`,
      ].join('\n'),
    );
    return EXIT.done;
  };
}

async function readPastTables({ storeUrl, node }: Settings): Promise<PastTable[]> {
  const store = await connect(storeUrl, { side: 'store', node });
  try {
    return await readTrackedRelations(store, node);
  } finally {
    await store.end().catch(() => {});
  }
}

function requireTracked(tracked: readonly PastTable[], wanted: TableName, { node }: Settings): PastTable {
  const name = formatTableName(wanted);
  const found = tracked.find((each) => formatTableName(each.name) === name);
  if (found !== undefined) return found;
  throw new TimewarpError('TABLE_NOT_TRACKED', `${name} is not tracked under node "${node}".`, {
    facts: { table: name },
  });
}

async function upgradeCommand({ out }: CommandContext, source: pg.Client): Promise<ExitCode> {
  const present = await requireInstallation(source);
  const version = await inSourceTransaction(source, () => upgrade(source, present));
  out.result({ ...present, version, from: present.version }, () =>
    version === present.version
      ? `Version ${version} is the newest. Nothing changed.`
      : `Upgraded from ${present.version} to ${version} (${present.method}).`,
  );
  return EXIT.done;
}

async function uninstallCommand({ out }: CommandContext, source: pg.Client): Promise<ExitCode> {
  const present = await findInstallation(source);
  if (present === null) {
    out.result(
      { removed: false },
      () => 'The SQL functions are not installed on the source; nothing to remove.',
    );
    return EXIT.done;
  }
  const reader = await ownReader(source);
  const postgresFdw = await inSourceTransaction(source, async () => {
    await removeViews(source);
    return uninstall(source, present);
  });
  // a copy of this source may read the store with the same login, so the user decides whether to drop it
  const login = reader === null ? '' : `The login in the store stays. To remove it: DROP ROLE ${reader};`;
  out.result({ ...present, removed: true, postgres_fdw: postgresFdw, reader }, () =>
    [
      `Removed: ${describe(present)}. History stays in the store.`,
      ...[WRAPPER_NOTES[postgresFdw], login].filter(Boolean),
    ].join('\n'),
  );
  return EXIT.done;
}

const WRAPPER_NOTES: Readonly<Record<WrapperFate, string>> = {
  removed: 'postgres_fdw, which `extension install` created, is removed too.',
  'in-use': 'postgres_fdw stays: `extension install` created it, but something else uses it too.',
  'not-ours': '',
};

function describe({ method, version, schema }: { method: Method; version: string; schema: string }): string {
  return `version ${version} in schema ${schema} by ${method}`;
}

async function withSource(context: CommandContext, body: Body): Promise<ExitCode> {
  const { settings } = context;
  const source = await connect(settings.sourceUrl, { side: 'source', node: settings.node });
  try {
    return await body(context, source);
  } finally {
    await source.end().catch(() => {});
  }
}

/** The password is never an argument: other users of the machine can read those. */
function readPassword(file: string | undefined): string {
  const text =
    file === undefined ? process.env[PASSWORD_VARIABLE] : readFileSync(file === '-' ? 0 : file, 'utf8');
  const password = text?.split(/\r?\n/, 1)[0];
  if (password) return password;
  throw new TimewarpError('BAD_FLAGS', 'The password of the reader is missing.', {
    remedy: `Set ${PASSWORD_VARIABLE}, or name a file: --password-file FILE (- for stdin).`,
  });
}

function port(value: string): number {
  const number = Number.parseInt(value, 10);
  if (/^\d{1,5}$/.test(value) && number > 0 && number < 65_536) return number;
  throw new InvalidArgumentError('It must be a port, 1 to 65535.');
}
