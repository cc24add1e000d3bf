/**
 * The questions of an incident, in which nobody knows a key: what was committed lately, what one of these transactions did, and what
 * became of each row. Prints the commands, and what they print.
 */
import type { Queryable } from '../../core/pg/connection.ts';
import { formatTableName, type TableName } from '../../core/pg/identifiers.ts';
import { changes } from '../../core/query/changes.ts';
import { transactionChanges, transactions } from '../../core/query/transactions.ts';
import type { Output } from '../output.ts';
import { renderChanges, renderTransaction, renderTransactions } from '../render/history.ts';
import { readInstant } from '../typed-instant.ts';

const SINCE = '-15m';
const LIMIT = 100;

export interface IncidentOptions {
  readonly out: Output;
  readonly node: string;
  readonly table: TableName;
  /** Begins a part of the demo. */
  readonly step: (title: string) => void;
}

/** Returns the commit LSN of the last transaction, which is the mistake. */
export async function showIncident(
  history: Queryable,
  { out, node, table, step }: IncidentOptions,
): Promise<string> {
  const say = (command: string, printed: string): void =>
    out.say(`  ${out.colors.dim(`$ pgtimewarp ${command}`)}\n${indent(printed)}`);
  const interval = { node, from: readInstant(SINCE).instant, to: null, limit: LIMIT };

  step('What happened in the last 15 minutes?');
  const committed = await transactions(history, interval);
  say(`transactions --from ${SINCE}`, renderTransactions(committed.transactions, committed, out));

  step('The last one touched most orders. What did it do?');
  const transaction = committed.transactions[0]!;
  const did = await transactionChanges(history, { node, transaction, limit: LIMIT });
  say(`transaction ${transaction.lsn}`, renderTransaction({ transaction, frame: did }, did.changes, out));

  step('What became of each order?');
  const net = await changes(history, { ...interval, table, net: true });
  const title = `${formatTableName(table)}: changes`;
  say(`changes ${table.name} --from ${SINCE} --net`, renderChanges({ title, frame: net }, net.changes, out));
  return transaction.lsn;
}

export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
