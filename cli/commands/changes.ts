/** `changes`: what changed in a table between two instants, every key. */
import type { Command } from 'commander';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { type ChangesPage, changes, type HistoryChange } from '../../core/query/changes.ts';
import { changesPageText, changeText } from '../../documents/history.ts';
import { readArchive } from '../archive-reader.ts';
import { collect, columnList } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { operationList, PAIR, pairs, whereValues, writeAnswer } from '../history-options.ts';
import { asked, type PageFlags, pageOptions, withHistory } from '../history-question.ts';
import { renderChanges } from '../render/history.ts';
import { INSTANT_FORMS } from '../typed-instant.ts';

interface ChangesFlags extends PageFlags {
  readonly from?: string;
  readonly to?: string;
  readonly net?: boolean;
  readonly where?: readonly string[];
  readonly changed?: readonly string[];
  readonly by?: readonly string[];
  readonly op?: readonly string[];
}

export function registerChanges(program: Command, run: Run): Command {
  const command = program
    .command('changes')
    .description('what changed in a table between two instants')
    .argument('<table>', 'as psql takes it')
    .option('--from <time>', `${INSTANT_FORMS} (default: the start of tracking)`)
    .option('--to <time>', 'likewise (default: the horizon)')
    .option('--net', 'one line for each row: from its first state to its last')
    .option('--where <col=value>', `${PAIR}: the row before or after has this value (repeatable)`, collect)
    .option('--changed <columns>', 'updates that changed one of these columns: a,b', columnList)
    .option('--by <key=value>', 'what the transaction said about itself: user=ann, or user.id=7', collect)
    .option(
      '--op <list>',
      'I, U, D, T: inserts, updates, deletes, rows that a TRUNCATE removed',
      operationList,
    );
  return pageOptions(command, ['show at most this many'])
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp changes orders --from -15m\n  pgtimewarp changes orders --from -1d --where customer=7 --changed total --net',
    )
    .action((tableText: string, flags: ChangesFlags) =>
      run((context) => askChanges(context, tableText, flags)),
    );
}

async function askChanges(
  context: CommandContext,
  tableText: string,
  flags: ChangesFlags,
): Promise<ExitCode> {
  const { settings, out } = context;
  const { cursor } = flags;
  const table = parseTableName(tableText);
  const where = whereValues(flags.where);
  const by = pairs('--by', flags.by);
  const request = {
    node: settings.node,
    table,
    from: asked('--from', flags.from, { cursor, out }),
    to: asked('--to', flags.to, { cursor, out }),
    net: flags.net === true,
    readArchive,
    filter: {
      ...(where === undefined ? {} : { where }),
      ...(flags.changed === undefined ? {} : { changed: flags.changed }),
      ...(by === undefined ? {} : { by }),
      ...(flags.op === undefined ? {} : { op: flags.op }),
    },
  };
  const { page, items } = await withHistory(context, { flags, about: table }, ({ askAll }) =>
    askAll(
      (each: ChangesPage) => each.changes,
      (store, ofPage) => changes(store, { ...request, ...ofPage }),
    ),
  );
  const answer = { ...page, changes: items };
  writeAnswer(
    {
      frame: page,
      json: () => changesPageText(answer),
      lines: () => items.map(changeText),
      csv: { header: CSV_HEADER, rows: () => items.map(csvRow) },
      human: () => renderChanges({ title: `${formatTableName(table)}: changes`, frame: page }, items, out),
    },
    flags.format,
    out,
  );
  return EXIT.done;
}

const CSV_HEADER = ['pk', 'op', 'lsn', 'ts', 'xid', 'context', 'before', 'after', 'changed'];

function csvRow(change: HistoryChange): (string | null)[] {
  const { pkText, op, lsn, ts, xid, contextText, beforeText, afterText, changedText } = change;
  return [pkText, op, lsn, ts, xid, contextText, beforeText, afterText, changedText];
}
