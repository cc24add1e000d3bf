/** `transaction`: every row that one transaction touched, before and after. */
import type { Command } from 'commander';
import type { HistoryChange } from '../../core/query/changes.ts';
import { identityFilter } from '../../core/query/transaction-identity.ts';
import {
  type TransactionPage,
  type TransactionsPage,
  transactionChanges,
  transactions,
} from '../../core/query/transactions.ts';
import {
  transactionChangeText,
  transactionPageText,
  transactionsPageText,
  transactionText,
} from '../../documents/history.ts';
import { readArchive } from '../archive-reader.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { type Format, writeAnswer } from '../history-options.ts';
import { asked, type PageFlags, pageOptions, withHistory } from '../history-question.ts';
import type { Output } from '../output.ts';
import { renderTransaction, renderTransactions } from '../render/history.ts';
import { INSTANT_FORMS } from '../typed-instant.ts';

interface TransactionFlags extends PageFlags {
  readonly from?: string;
  readonly to?: string;
}

/** The most transactions that are listed for one xid. PostgreSQL reuses xids, but rarely this often. */
const MOST_MATCHES = 100;

export function registerTransaction(program: Command, run: Run): Command {
  const command = program
    .command('transaction')
    .description('every row that a transaction touched, before and after')
    .argument(
      '<lsn|xid>',
      'commit LSN, or xid (32 bits, or the 64 of pg_current_xact_id()); an xid comes round again, then all transactions that had it are listed',
    )
    .option('--from <time>', `with an xid: only transactions after this instant: ${INSTANT_FORMS}`)
    .option('--to <time>', 'with an xid: only transactions up to this instant');
  return pageOptions(command, ['show at most this many rows'])
    .addHelpText(
      'after',
      '\nExit status: 0, or 3 when no such transaction is known.\n\nExample:\n  pgtimewarp transaction 0/16B3748\n  pgtimewarp transaction 731 --from -1d',
    )
    .action((identity: string, flags: TransactionFlags) =>
      run((context) => askTransaction(context, identity, flags)),
    );
}

async function askTransaction(
  context: CommandContext,
  identity: string,
  flags: TransactionFlags,
): Promise<ExitCode> {
  const { settings, out } = context;
  const { node } = settings;
  // the cursor is of the rows of the transaction, not of this list
  const interval = { cursor: undefined, out };
  const request = {
    node,
    from: asked('--from', flags.from, interval),
    to: asked('--to', flags.to, interval),
    filter: identityFilter(identity),
    readArchive,
    limit: MOST_MATCHES,
  };
  return await withHistory(context, { flags }, async ({ ask, askAll }) => {
    const matches = await ask((store) => transactions(store, request));
    const [transaction, ...others] = matches.transactions;
    if (transaction === undefined || others.length > 0) {
      writeMatches(matches, flags.format, out);
      return transaction === undefined ? EXIT.absent : EXIT.done;
    }
    const { page, items } = await askAll(
      (each: TransactionPage) => each.changes,
      (store, ofPage) => transactionChanges(store, { node, transaction, readArchive, ...ofPage }),
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
  });
}

/** No transaction, or several that had the number. */
function writeMatches(matches: TransactionsPage, format: Format | undefined, out: Output): void {
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
    format,
    out,
  );
}

const CSV_HEADER = ['schema', 'table', 'pk', 'op', 'before', 'after', 'changed'];

function csvRow(change: HistoryChange): (string | null)[] {
  const { schema, table, pkText, op, beforeText, afterText, changedText } = change;
  return [schema, table, pkText, op, beforeText, afterText, changedText];
}
