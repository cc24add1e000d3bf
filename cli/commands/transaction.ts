/** `transaction`: every row that one transaction touched, before and after. */
import type { Command } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect } from '../../core/pg/connection.ts';
import type { HistoryChange } from '../../core/query/changes.ts';
import { type TransactionPage, transactionChanges, transactions } from '../../core/query/transactions.ts';
import { formatLsn, tryParseLsn } from '../../core/types/lsn.ts';
import {
  transactionChangeText,
  transactionPageText,
  transactionsPageText,
  transactionText,
} from '../../documents/history.ts';
import { allPages } from '../all-pages.ts';
import { positiveInteger } from '../arguments.ts';
import { type AwaitFlags, askAwaiting, awaitOption } from '../awaited.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { type Format, formatOption, writeAnswer } from '../history-options.ts';
import { renderTransaction, renderTransactions } from '../render/history.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';

interface TransactionFlags extends AwaitFlags {
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
  readonly cursor?: string;
  readonly format?: Format;
}

/** The most transactions that are listed for one xid. PostgreSQL reuses xids, but rarely this often. */
const MOST_MATCHES = 100;

export function registerTransaction(program: Command, run: Run): Command {
  const command = program
    .command('transaction')
    .description('every row that a transaction touched, before and after')
    .argument(
      '<lsn|xid>',
      'commit LSN, or xid; an xid comes round again, then all transactions that had it are listed',
    )
    .option('--from <time>', `with an xid: only transactions after this instant: ${INSTANT_FORMS}`)
    .option('--to <time>', 'with an xid: only transactions up to this instant')
    .option('--limit <n>', 'show at most this many rows (default: all)', positiveInteger)
    .option('--cursor <cursor>', 'go on after an earlier answer: its member `next`')
    .addOption(formatOption());
  return awaitOption(command)
    .addHelpText(
      'after',
      '\nExit status: 0, or 3 when no such transaction is known.\n\nExample:\n  pgtimewarp transaction 0/16B3748\n  pgtimewarp transaction 731 --from -1d',
    )
    .action((identity: string, flags: TransactionFlags) =>
      run((context) => askTransaction(context, identity, flags)),
    );
}

async function askTransaction(
  { settings, out, signal }: CommandContext,
  identity: string,
  flags: TransactionFlags,
): Promise<ExitCode> {
  const { node } = settings;
  const request = {
    node,
    from: flags.from === undefined ? null : instantOption('--from', flags.from, out),
    to: flags.to === undefined ? null : instantOption('--to', flags.to, out),
    filter: identityFilter(identity),
    limit: MOST_MATCHES,
  };
  const store = await connect(settings.storeUrl, { side: 'store', node });
  try {
    const matches = await askAwaiting(store, { node, flags, signal }, () => transactions(store, request));
    const [transaction, ...others] = matches.transactions;
    if (transaction === undefined || others.length > 0) {
      const { transactions: found } = matches;
      writeAnswer(
        {
          frame: matches,
          json: () => transactionsPageText(matches),
          lines: () => found.map(transactionText),
          csv: {
            header: ['lsn', 'ts', 'xid', 'rows'],
            rows: () => found.map(({ lsn, ts, xid, rows }) => [lsn, ts, xid, rows]),
          },
          human: () => renderTransactions(found, matches, out),
        },
        flags.format,
        out,
      );
      return transaction === undefined ? EXIT.absent : EXIT.done;
    }
    const { page, items } = await allPages<TransactionPage, HistoryChange>(
      flags.limit ?? null,
      (each) => each.changes,
      (limit, cursor) =>
        transactionChanges(store, { node, transaction, limit, cursor: cursor ?? flags.cursor ?? null }),
    );
    writeAnswer(
      {
        frame: page,
        json: () => transactionPageText({ ...page, changes: items }),
        lines: () => items.map(transactionChangeText),
        csv: { header: CSV_HEADER, rows: () => items.map(csvRow) },
        human: () => renderTransaction({ transaction, frame: page }, items, out),
      },
      flags.format,
      out,
    );
    return EXIT.done;
  } finally {
    await store.end().catch(() => {});
  }
}

const CSV_HEADER = ['schema', 'table', 'pk', 'op', 'before', 'after', 'changed'];

function csvRow(change: HistoryChange): (string | null)[] {
  const { schema, table, pkText, op, beforeText, afterText, changedText } = change;
  return [schema, table, pkText, op, beforeText, afterText, changedText];
}

/** Throws BAD_FLAGS. */
function identityFilter(text: string): { readonly lsn: string } | { readonly xid: string } {
  const lsn = tryParseLsn(text);
  if (lsn !== null) return { lsn: formatLsn(lsn) };
  if (/^[1-9]\d{0,17}$/.test(text)) return { xid: text };
  throw new TimewarpError('BAD_FLAGS', `Not a transaction: ${text.slice(0, 60)}`, {
    remedy:
      'Give a commit LSN such as 0/16B3748, or the number of a transaction: `pgtimewarp transactions` lists both.',
  });
}
