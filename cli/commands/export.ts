/** `export`: all tracked tables as of one position, as files that load into a scratch database. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect, type Queryable } from '../../core/pg/connection.ts';
import { formatTableName, parseTableName, type TableName } from '../../core/pg/identifiers.ts';
import { inSourceTransaction } from '../../core/pg/transaction.ts';
import { commonPosition } from '../../core/query/common-position.ts';
import { NOW } from '../../core/query/instant.ts';
import { SNAPSHOT } from '../../core/query/table-rows.ts';
import { requireNode } from '../../core/store/node/nodes.ts';
import { readOverview } from '../../core/store/overview.ts';
import { type AwaitFlags, askAwaiting, awaitOption } from '../awaited.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { type ExportSummary, type WantedTable, writeExport } from '../export/write-export.ts';
import { UNKNOWN_CHOICES } from '../history-options.ts';
import { rowsProgress } from '../progress.ts';
import { printable } from '../render/printable.ts';
import { suggestingTable } from '../suggest-table.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';

interface ExportFlags extends AwaitFlags {
  readonly at?: string;
  readonly to: string;
  readonly tables?: readonly TableName[];
  readonly nodes?: readonly string[];
  readonly unknown?: (typeof UNKNOWN_CHOICES)[number];
}

const HELP = `
Exit status: 0, or 4 when a row, a value or a whole table is not known at that time; nothing is left behind then.

Example:
  pgtimewarp export --at '2026-01-31 09:41' --to tuesday
  createdb scratch && cd tuesday && psql -d scratch -f load.sql`;

export function registerExport(program: Command, run: Run): Command {
  const command = program
    .command('export')
    .description('all tracked tables as of one position, as CSV files and the SQL that loads them')
    .requiredOption('--to <folder>', 'a folder that does not exist yet')
    .option('--at <time>', `${INSTANT_FORMS} (default: now)`)
    .option('--tables <tables>', 'only these: orders,sales.orders (repeatable)', tableList)
    .option('--nodes <nodes>', 'tables of several nodes of one server: a,b (default: --node)', nodeList)
    .addOption(
      new Option('--unknown <what>', 'rows and tables that are not known are an error, or left out').choices(
        UNKNOWN_CHOICES,
      ),
    );
  return awaitOption(command)
    .addHelpText('after', HELP)
    .action((flags: ExportFlags) => run((context) => exportTables(context, flags)));
}

async function exportTables(
  { settings, out, signal }: CommandContext,
  flags: ExportFlags,
): Promise<ExitCode> {
  const at = flags.at === undefined || flags.at === 'now' ? NOW : instantOption('--at', flags.at, out);
  const nodes = flags.nodes ?? [settings.node];
  const node = nodes[0]!;
  const store = await connect(settings.storeUrl, { side: 'store', node });
  try {
    const ask = async (): Promise<ExportSummary> => {
      const tables = await wantedTables(store, nodes, flags.tables);
      using progress = rowsProgress(out);
      return await writeExport({
        store,
        tables,
        position: await commonPosition(store, nodes, at),
        unknown: flags.unknown ?? 'error',
        directory: flags.to,
        signal,
        out,
        progress,
      });
    };
    const summary = await askAwaiting(store, { node, flags, signal }, () =>
      inSourceTransaction(store, ask, SNAPSHOT),
    );
    out.result(summary, () => render(summary));
    return EXIT.done;
  } finally {
    await store.end().catch(() => {});
  }
}

/**
 * The tables that were named, or all of the nodes; one that several nodes of one database track comes from the first of them.
 * Throws BAD_FLAGS for two tables of one name in different databases.
 */
async function wantedTables(
  store: Queryable,
  nodes: readonly string[],
  named: readonly TableName[] | undefined,
): Promise<WantedTable[]> {
  const found = new Map<string, WantedTable & { readonly database: string }>();
  const twice = new Map<string, TimewarpError>();
  for (const node of nodes) {
    await requireNode(store, node);
    for (const {
      node: { database },
      relations,
    } of await readOverview(store, node))
      for (const { name, status } of relations) {
        const key = formatTableName(name);
        const isOver = status === 'untracked';
        const known = found.get(key);
        if (known !== undefined && known.database !== database)
          twice.set(key, twoTables(key, known.node, node));
        if (known === undefined || (known.isOver && !isOver))
          found.set(key, { node, table: name, isOver, database });
      }
  }
  if (named === undefined) {
    if (found.size === 0)
      throw new TimewarpError('TABLE_NOT_TRACKED', `Node "${nodes.join('", "')}" tracks no tables.`);
    for (const problem of twice.values()) throw problem;
    return [...found.values()];
  }
  const wanted: WantedTable[] = [];
  for (const table of named)
    await suggestingTable(store, { node: nodes[0]!, table }, async () => {
      const problem = twice.get(formatTableName(table));
      if (problem !== undefined) throw problem;
      const known = found.get(formatTableName(table));
      if (known === undefined)
        throw new TimewarpError('TABLE_NOT_TRACKED', `${formatTableName(table)} is not tracked.`);
      wanted.push({ ...known, isOver: false }); // who names it wants to know why it is not there
    });
  return wanted;
}

function twoTables(table: string, one: string, other: string): TimewarpError {
  return new TimewarpError(
    'BAD_FLAGS',
    `The nodes ${one} and ${other} follow different databases, and each of them has a table ${table}.`,
    { remedy: 'Export each of the nodes by itself.' },
  );
}

function render({ directory, as_of: { lsn }, final, tables, left_out: leftOut }: ExportSummary): string {
  const rows = tables.reduce((sum, table) => sum + table.row_count, 0).toLocaleString('en');
  const many = tables.length === 1 ? '1 table' : `${tables.length} tables`;
  return [
    `${many}, ${rows} rows, as of ${lsn ?? 'the beginning'} (${final ? 'final' : 'not final'}) are in ${printable(directory)}`,
    ...leftOut.map(
      ({ schema, table, reason }) =>
        `  without ${printable(formatTableName({ schema, name: table }))}: ${reason.replaceAll('_', ' ')}`,
    ),
    'To load them: cd there, and psql -d EMPTY_DATABASE -f load.sql',
  ].join('\n');
}

/** `a,b."C,d"`: names of tables. */
function tableList(value: string, previous: readonly TableName[] | undefined): TableName[] {
  const parts = value.match(/(?:"(?:[^"]|"")*"|[^,"])+/g) ?? [];
  return [...(previous ?? []), ...parts.map((part) => parseTableName(part.trim()))];
}

function nodeList(value: string, previous: readonly string[] | undefined): string[] {
  const names = value.split(',').map((part) => part.trim());
  if (!names.every((name) => /^[a-z0-9_]{1,40}$/.test(name)))
    throw new InvalidArgumentError('It must be a list of names of nodes: a,b.');
  return [...new Set([...(previous ?? []), ...names])];
}
