/** `archive`: copies old history to Parquet files in a bucket, as Apache Iceberg tables. The code for that is loaded when it is needed. */
import { type Command, Option } from 'commander';
import type { ArchiveTarget } from '../../core/archive/archive-target.ts';
import type { Dialect } from '../../core/archive/as-of-sql.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { withStoreOnly } from '../../core/setup/databases.ts';
import { formatBytes } from '../../core/types/byte-size.ts';
import {
  archiveDocument,
  archiveRunDocument,
  archiveSetDocument,
  archiveSqlDocument,
  archiveVerifyDocument,
} from '../../documents/archive.ts';
import { duration, positiveInteger } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { timeLines } from '../render/local-time.ts';
import { plainTable } from '../render/plain-table.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';

interface TargetFlags {
  readonly archiveUrl?: string;
  readonly catalogUrl?: string;
  readonly warehouse?: string;
  readonly catalogSigning?: string;
}

interface SetFlags {
  readonly hot?: string;
  readonly minRows?: number;
  readonly off?: boolean;
  readonly drop?: boolean;
}

interface SqlFlags extends TargetFlags {
  readonly at: string;
  readonly dialect: Dialect;
}

const MOST_ROWS = 2_147_483_647;

export function registerArchive(program: Command, run: Run): Command {
  const archive = program
    .command('archive')
    .description('copy old history to Parquet files in a bucket, as Apache Iceberg tables')
    .addHelpText('after', EXAMPLES);
  archive
    .command('set')
    .description('archive a table from now on: history older than --hot')
    .argument('<table>', 'as psql takes it')
    .option('--hot <duration>', 'N(s|m|h|d): younger history is not archived', duration)
    .option('--min-rows <n>', 'wait until a unit has this many rows (default: 1000000)', positiveInteger)
    .option('--drop', 'drop from the store what is archived and verified: see docs/archive.md')
    .option('--off', 'begin no new unit and drop nothing more; what is archived stays')
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp archive set orders --hot 90d\n  pgtimewarp archive set orders --hot 90d --drop',
    )
    .action((table: string, flags: SetFlags) => run((context) => set(context, table, flags)));
  archive
    .command('show')
    .description('show up to when each table is archived')
    .action(() => run(show));
  targetOptions(archive.command('run').description('archive all that is due')).action((flags: TargetFlags) =>
    run((context) => archiveNow(context, flags)),
  );
  targetOptions(
    archive
      .command('verify')
      .description('read archived files back and compare them with the store')
      .argument('[table]', 'as psql takes it (default: all)'),
  )
    .addHelpText('after', '\nExit status: 0, or 1 when a file is damaged.')
    .action((table: string | undefined, flags: TargetFlags) =>
      run((context) => verify(context, table, flags)),
    );
  targetOptions(
    archive
      .command('sql')
      .description('print the query for the rows of a table as of an instant')
      .argument('<table>', 'as psql takes it')
      .requiredOption('--at <time>', INSTANT_FORMS)
      .addOption(
        new Option('--dialect <engine>', 'the engine that will run it')
          .choices(['duckdb', 'spark', 'trino', 'athena'])
          .default('duckdb'),
      ),
  )
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp archive sql orders --at 2026-01-31T00:00:00Z --dialect trino',
    )
    .action((table: string, flags: SqlFlags) => run((context) => sql(context, table, flags)));
  for (const command of archive.commands) {
    command
      .configureHelp({ showGlobalOptions: true })
      .configureOutput({ outputError: () => {} })
      .exitOverride();
  }
  return archive;
}

const EXAMPLES = `
Nothing is removed from the store, unless --drop says so. Credentials and region of the bucket come from AWS's own variables and files;
PGTIMEWARP_CATALOG_TOKEN holds the token of a catalog that wants one.

Example:
  pgtimewarp archive set orders --hot 90d
  export PGTIMEWARP_ARCHIVE_URL=s3://bucket/history PGTIMEWARP_CATALOG_URL=https://glue.eu-central-1.amazonaws.com/iceberg
  pgtimewarp archive run`;

function targetOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--archive-url <url>', 'the bucket: s3://bucket/prefix').env('PGTIMEWARP_ARCHIVE_URL'),
    )
    .addOption(
      new Option('--catalog-url <url>', 'the Iceberg REST catalog, without /v1').env(
        'PGTIMEWARP_CATALOG_URL',
      ),
    )
    .addOption(
      new Option('--warehouse <name>', 'the warehouse, as the catalog names it').env(
        'PGTIMEWARP_CATALOG_WAREHOUSE',
      ),
    )
    .addOption(
      new Option(
        '--catalog-signing <service>',
        'sign requests for this AWS service: glue, or glue/eu-central-1 (default: by the host)',
      ).env('PGTIMEWARP_CATALOG_SIGNING'),
    );
}

async function openTarget(flags: TargetFlags): Promise<ArchiveTarget> {
  const { openArchive } = await import('../../core/archive/archive-target.ts');
  return openArchive({
    archiveUrl: required(flags.archiveUrl, 'archive-url', 'PGTIMEWARP_ARCHIVE_URL'),
    catalogUrl: required(flags.catalogUrl, 'catalog-url', 'PGTIMEWARP_CATALOG_URL'),
    warehouse: flags.warehouse || null,
    signing: flags.catalogSigning || null,
    token: process.env.PGTIMEWARP_CATALOG_TOKEN || null,
  });
}

function required(value: string | undefined, name: string, variable: string): string {
  if (value) return value;
  throw new TimewarpError('BAD_FLAGS', `--${name} is missing.`, {
    remedy: `Give --${name}, or set ${variable}; see \`pgtimewarp archive --help\`.`,
  });
}

async function set({ settings, out }: CommandContext, tableText: string, flags: SetFlags): Promise<ExitCode> {
  if ((flags.hot === undefined) === (flags.off !== true))
    throw new TimewarpError('BAD_FLAGS', 'Give either --hot or --off.');
  if (flags.off === true && flags.drop === true)
    throw new TimewarpError('BAD_FLAGS', '--drop does not go with --off.');
  const table = parseTableName(tableText);
  const { DEFAULT_MIN_ROWS, setArchive } = await import('../../core/archive/change-archive.ts');
  const setting = {
    hot: flags.hot ?? null,
    minRows: Math.min(flags.minRows ?? DEFAULT_MIN_ROWS, MOST_ROWS),
    drops: flags.drop === true,
  };
  await setArchive(where(settings), table, setting);
  const name = formatTableName(table);
  out.result(archiveSetDocument(settings.node, name, setting), () =>
    setting.hot === null
      ? `${name}: no more history is archived.`
      : `${name}: history older than ${setting.hot} is archived, by \`pgtimewarp archive run\`${setting.drops ? ', and then dropped from the store' : ''}.`,
  );
  return EXIT.done;
}

async function show({ settings, out }: CommandContext): Promise<ExitCode> {
  const { showArchive } = await import('../../core/archive/change-archive.ts');
  const tables = await showArchive(where(settings));
  out.result(archiveDocument(settings.node, tables), () => {
    if (tables.length === 0) return 'No table is archived: see `pgtimewarp archive set --help`.';
    const cells = tables.map((table) => [
      table.table,
      table.isOn ? table.hot : `${table.hot} (off)`,
      table.archivedTo === null ? '(nothing yet)' : timeLines(table.archivedTo.ts),
      table.hotFrom === null ? '(all of it)' : timeLines(table.hotFrom.ts),
      `${table.units.verified}${underWay(table.units)}`,
      table.rows,
      formatBytes(Number.parseInt(table.bytes, 10)),
    ]);
    return plainTable(['table', 'hot', 'archived to', 'in store from', 'units', 'rows', 'size'], cells, out);
  });
  return EXIT.done;
}

function underWay({ planned, written, committed }: Readonly<Record<string, number>>): string {
  const count = planned! + written! + committed!;
  return count === 0 ? '' : ` + ${count} under way`;
}

async function archiveNow({ settings, out, signal }: CommandContext, flags: TargetFlags): Promise<ExitCode> {
  const target = await openTarget(flags);
  const { archiveRun } = await import('../../core/archive/archive-run.ts');
  const result = await archiveRun({ ...where(settings), target, signal });
  out.result(archiveRunDocument(settings.node, result), () =>
    result.outcome === 'busy' && result.units === 0
      ? 'Another run is active; nothing to do.'
      : `${result.units} units with ${result.rows} rows archived and verified.`,
  );
  return EXIT.done;
}

async function verify(
  { settings, out, signal }: CommandContext,
  tableText: string | undefined,
  flags: TargetFlags,
): Promise<ExitCode> {
  const table = tableText === undefined ? null : parseTableName(tableText);
  const target = await openTarget(flags);
  const { verifyArchive } = await import('../../core/archive/change-archive.ts');
  const units = await verifyArchive({ ...where(settings), target, table, signal });
  const damaged = units.filter(({ damage }) => damage !== null);
  out.result(archiveVerifyDocument(settings.node, units), () =>
    [
      `${units.length} units read back, ${damaged.length} of them damaged.`,
      ...damaged.map((each) => `${each.table}, unit ${each.unit}: ${each.damage}`),
    ].join('\n'),
  );
  return damaged.length > 0 ? EXIT.failed : EXIT.done;
}

async function sql({ settings, out }: CommandContext, tableText: string, flags: SqlFlags): Promise<ExitCode> {
  const request = {
    node: settings.node,
    table: parseTableName(tableText),
    at: instantOption('--at', flags.at, out),
    dialect: flags.dialect,
    target: await openTarget(flags),
  };
  const { asOfSql } = await import('../../core/archive/as-of-sql.ts');
  const query = await withStoreOnly(where(settings), (store) => asOfSql(store, request));
  out.result(archiveSqlDocument(query), () => query.sql);
  return EXIT.done;
}

function where(settings: CommandContext['settings']): { storeUrl: string; node: string } {
  return { storeUrl: settings.storeUrl, node: settings.node };
}
