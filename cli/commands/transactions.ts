/** `transactions`: what was committed between two instants. */
import type { Command } from 'commander';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { type TransactionsPage, transactions } from '../../core/query/transactions.ts';
import { transactionsPageText, transactionText } from '../../documents/history.ts';
import { readArchive } from '../archive-reader.ts';
import { collect, positiveInteger } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { operationList, pairs, writeAnswer } from '../history-options.ts';
import { asked, type PageFlags, pageOptions, withHistory } from '../history-question.ts';
import { renderTransactions } from '../render/history.ts';
import { INSTANT_FORMS } from '../typed-instant.ts';

interface TransactionsFlags extends PageFlags {
  readonly from?: string;
  readonly to?: string;
  readonly table?: string;
  readonly by?: readonly string[];
  readonly op?: readonly string[];
  readonly minRows?: number;
}

const DEFAULT_LIMIT = 100;

export function registerTransactions(program: Command, run: Run): Command {
  const command = program
    .command('transactions')
    .description('what was committed between two instants, newest first')
    .option('--from <time>', INSTANT_FORMS, '-1h')
    .option('--to <time>', 'likewise (default: the horizon)')
    .option('--table <table>', 'only transactions that touched this table')
    .option('--by <key=value>', 'what the transaction said about itself: user=ann, or user.id=7', collect)
    .option('--op <list>', 'only those with an insert, update, delete or truncate: I, U, D, T', operationList)
    .option(
      '--min-rows <n>',
      'only those that changed at least this many rows, or truncated a table',
      positiveInteger,
    );
  return pageOptions(command, ['show at most this many transactions', DEFAULT_LIMIT])
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp transactions --from -15m --min-rows 1000\n  pgtimewarp transactions --from -1d --table orders --op D --by user=ann',
    )
    .action((flags: TransactionsFlags) => run((context) => askTransactions(context, flags)));
}

async function askTransactions(context: CommandContext, flags: TransactionsFlags): Promise<ExitCode> {
  const { settings, out } = context;
  const { cursor, minRows, op } = flags;
  const by = pairs('--by', flags.by);
  const table = flags.table === undefined ? undefined : parseTableName(flags.table);
  const request = {
    node: settings.node,
    readArchive,
    from: asked('--from', flags.from ?? '-1h', { cursor, out }),
    to: asked('--to', flags.to, { cursor, out }),
    filter: {
      ...(table === undefined ? {} : { table }),
      ...(by === undefined ? {} : { by }),
      ...(op === undefined ? {} : { op }),
      ...(minRows === undefined ? {} : { minRows }),
    },
  };
  const { page, items } = await withHistory(context, { flags, about: table }, ({ askAll }) =>
    askAll(
      (each: TransactionsPage) => each.transactions,
      (store, ofPage) => transactions(store, { ...request, ...ofPage }),
    ),
  );
  writeAnswer(
    {
      frame: page,
      json: () => transactionsPageText({ ...page, transactions: items }),
      lines: () => items.map(transactionText),
      csv: {
        header: ['lsn', 'ts', 'xid', 'rows', 'context', 'tables'],
        rows: () =>
          items.map(({ lsn, ts, xid, rows, contextText, tablesText }) => [
            lsn,
            ts,
            xid,
            rows,
            contextText,
            tablesText,
          ]),
      },
      human: () =>
        renderTransactions(items, page, out) +
        (page.next === null ? '' : `\nThere are more: --limit N, or --cursor ${page.next}`),
    },
    flags.format,
    out,
  );
  return EXIT.done;
}
