/**
 * The questions of an incident, in which nobody knows a key: what was committed lately, what one of these transactions did, and what
 * became of each row; then the mistake is undone. Prints the commands, and what they print.
 */
import type pg from 'pg';
import type { Queryable } from '../../core/pg/connection.ts';
import { formatTableName, type TableName } from '../../core/pg/identifiers.ts';
import { changes } from '../../core/query/changes.ts';
import { type TransactionSummary, transactionChanges, transactions } from '../../core/query/transactions.ts';
import type { RestoreResult } from '../../core/restore/restore-result.ts';
import { carryOutRestore, type RestorePlace } from '../carry-out-restore.ts';
import type { Output } from '../output.ts';
import { renderChanges, renderTransaction, renderTransactions } from '../render/history.ts';
import { renderRestore } from '../render/restore.ts';
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

/** Returns the last transaction, which is the mistake. */
export async function showIncident(
  history: Queryable,
  { out, node, table, step }: IncidentOptions,
): Promise<TransactionSummary> {
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
  return transaction;
}

export interface UndoOptions extends Pick<IncidentOptions, 'out' | 'step'> {
  readonly place: RestorePlace;
  readonly mistake: TransactionSummary;
}

/** Undoes the mistake: an order that somebody has corrected by hand meanwhile stays as it is. */
export async function undoIncident(
  history: pg.Client,
  { out, step, place, mistake }: UndoOptions,
): Promise<RestoreResult> {
  step('Put it back, but not the order that somebody has corrected meanwhile');
  const usual = { maxRows: 10_000, noTriggers: false, lockTimeoutMs: 10_000 };
  const undo = { kind: 'transactions', transactions: [mistake] } as const;
  const show = async (flags: string, asked: { apply: boolean; skipConflicts: boolean }) => {
    const result = await carryOutRestore(place, history, { undo, ...usual, ...asked });
    out.say(`  ${out.colors.dim(`$ pgtimewarp restore --transaction ${mistake.lsn}${flags}`)}`);
    out.say(indent(renderRestore(result, asked)));
    return result;
  };
  await show('', { apply: false, skipConflicts: false });
  return show(' --apply --skip-conflicts', { apply: true, skipConflicts: true });
}

export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
