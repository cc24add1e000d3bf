/** `transactions`: what was committed between two instants. */
import type { Command } from 'commander';
import { connect } from '../../core/pg/connection.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import {
  type TransactionSummary,
  type TransactionsPage,
  transactions,
} from '../../core/query/transactions.ts';
import { transactionsPageText, transactionText } from '../../documents/history.ts';
import { allPages } from '../all-pages.ts';
import { collect, positiveInteger } from '../arguments.ts';
import { type AwaitFlags, askAwaiting, awaitOption } from '../awaited.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { type Format, formatOption, operationList, pairs, writeAnswer } from '../history-options.ts';
import { renderTransactions } from '../render/history.ts';
import { suggestingTable } from '../suggest-table.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';

interface TransactionsFlags extends AwaitFlags {
  readonly from?: string;
  readonly to?: string;
  readonly table?: string;
  readonly by?: readonly string[];
  readonly op?: readonly string[];
  readonly minRows?: number;
  readonly limit: number;
  readonly cursor?: string;
  readonly format?: Format;
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
    )
    .option('--limit <n>', 'show at most this many transactions', positiveInteger, DEFAULT_LIMIT)
    .option('--cursor <cursor>', 'go on after an earlier answer: its member `next`')
    .addOption(formatOption());
  return awaitOption(command)
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp transactions --from -15m --min-rows 1000\n  pgtimewarp transactions --from -1d --table orders --op D --by user=ann',
    )
    .action((flags: TransactionsFlags) => run((context) => askTransactions(context, flags)));
}

async function askTransactions(
  { settings, out, signal }: CommandContext,
  flags: TransactionsFlags,
): Promise<ExitCode> {
  const by = pairs('--by', flags.by);
  const table = flags.table === undefined ? undefined : parseTableName(flags.table);
  const request = {
    node: settings.node,
    from: instantOption('--from', flags.from ?? '-1h', out),
    to: flags.to === undefined ? null : instantOption('--to', flags.to, out),
    filter: {
      ...(table === undefined ? {} : { table }),
      ...(by === undefined ? {} : { by }),
      ...(flags.op === undefined ? {} : { op: flags.op }),
      ...(flags.minRows === undefined ? {} : { minRows: flags.minRows }),
    },
  };
  const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
  const ask = () =>
    askAwaiting(store, { node: settings.node, flags, signal }, () =>
      allPages<TransactionsPage, TransactionSummary>(
        flags.limit,
        (each) => each.transactions,
        (limit, cursor) => transactions(store, { ...request, limit, cursor: cursor ?? flags.cursor ?? null }),
      ),
    );
  try {
    const { page, items } =
      table === undefined ? await ask() : await suggestingTable(store, { node: settings.node, table }, ask);
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
  } finally {
    await store.end().catch(() => {});
  }
}
