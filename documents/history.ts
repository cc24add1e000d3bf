/**
 * Answers about many rows: transactions, the changes of a table, rows found by a value. The texts of rows are the store's, so the
 * documents are put together as text, and their schemas only describe them.
 */
import * as z from 'zod';
import type { ChangesPage, HistoryChange } from '../core/query/changes.ts';
import type { FindPage, FoundRow } from '../core/query/find.ts';
import type { HistoryFrame } from '../core/query/history-page.ts';
import type { TransactionPage, TransactionSummary, TransactionsPage } from '../core/query/transactions.ts';
import { Assumes, Commit, Operation, Row, Tier } from './answer.ts';
import { ChangedValue, UnknownInterval } from './diff.ts';
import { listText, objectText, pointText, quote, type Texts } from './text-members.ts';
import { Lsn, Point, Text, Time } from './values.ts';

const omittedOf = <const T extends readonly [string, ...string[]]>(members: T) =>
  z
    .array(z.enum(members))
    .optional()
    .meta({ description: 'members that are null because their value does not fit into a response' });
const Key = z.record(z.string(), z.string()).meta({ description: 'the key: the text of each key column' });
const Incomplete = z
  .array(Text)
  .optional()
  .meta({ description: 'columns whose values are not known, although the table had them' });
const SIDES = {
  before: Row.nullable(),
  after: Row.nullable(),
  changed: z.record(z.string(), ChangedValue).nullable(),
  incomplete: Incomplete,
  assumes: Assumes.optional(),
  omitted: omittedOf(['changed', 'after', 'before', 'context']),
};
const FRAME = {
  from: Text.nullable(),
  to: Text.nullable(),
  horizon: Point.nullable(),
  final: z.boolean(),
  tier: Tier.optional(),
};
const NEXT = {
  next: Text.nullable().meta({ description: 'the `cursor` of the next page; null: nothing follows' }),
};
/** What frames every answer; `unknown` says more where it is of several tables. */
const Frame = z.object({ ...FRAME, unknown: z.unknown(), ...NEXT });
const OF_TABLE = {
  unknown: z
    .array(UnknownInterval)
    .meta({ description: 'intervals in which changes may be missing, or not every row is known' }),
};
export const TableOfNode = z.object({ schema: Text, table: Text });
export const UnknownOfTables = UnknownInterval.extend({ tables: z.array(TableOfNode) });
const OF_NODE = {
  unknown: z
    .array(UnknownOfTables)
    .meta({ description: 'intervals in which changes of these tables may be missing' }),
};

const Count = z.int().min(0);
export const TransactionTable = TableOfNode.extend({
  inserts: Count,
  updates: Count,
  deletes: Count,
  truncates: Count,
});
export const Transaction = z.object({
  lsn: Lsn.meta({ description: 'the commit LSN, which identifies the transaction' }),
  ts: Time,
  xid: Text.meta({ description: 'comes round again: not the identity of the transaction' }),
  context: z.unknown().meta({ description: 'the last that the transaction said about itself' }),
  tables: z.array(TransactionTable),
  rows: Count.meta({ description: 'its inserts, updates and deletes' }),
  omitted: omittedOf(['context']),
});
export const Transactions = z.object({ transactions: z.array(Transaction), ...FRAME, ...OF_NODE, ...NEXT });
export const TransactionChange = z.object({ ...TableOfNode.shape, pk: Key, op: Operation, ...SIDES });
export const TransactionChanges = z.object({
  ...Transaction.shape,
  changes: z.array(TransactionChange),
  ...FRAME,
  ...OF_NODE,
  ...NEXT,
});
export const TableChange = z.object({
  pk: Key,
  op: Operation,
  lsn: Lsn,
  ts: Time,
  xid: Text.nullable(),
  context: z.unknown(),
  ...SIDES,
});
export const TableChanges = z.object({ changes: z.array(TableChange), ...FRAME, ...OF_TABLE, ...NEXT });
export const FoundVersion = z.object({
  pk: Key,
  valid_from: Commit,
  valid_to: Commit.nullable().meta({ description: 'null: nothing has ended it so far' }),
  row: Row.nullable(),
  incomplete: Incomplete,
  assumes: Assumes.optional(),
  omitted: omittedOf(['row']),
});
export const FoundVersions = z.object({ rows: z.array(FoundVersion), ...FRAME, ...OF_TABLE, ...NEXT });

export function changesPageText(page: ChangesPage): string {
  const members: Texts<typeof TableChanges> = {
    changes: listText(page.changes.map(changeText)),
    ...frameTexts(page),
  };
  return objectText(members);
}

export function transactionsPageText(page: TransactionsPage): string {
  const members: Texts<typeof Transactions> = {
    transactions: listText(page.transactions.map(transactionText)),
    ...frameTexts(page),
  };
  return objectText(members);
}

/** The transaction's own members, and every row that it touched. */
export function transactionPageText(page: TransactionPage): string {
  const members: Texts<typeof TransactionChanges> = {
    ...transactionMembers(page.transaction),
    changes: listText(page.changes.map(transactionChangeText)),
    ...frameTexts(page),
  };
  return objectText(members);
}

export function findPageText(page: FindPage): string {
  const members: Texts<typeof FoundVersions> = {
    rows: listText(page.rows.map(foundText)),
    ...frameTexts(page),
  };
  return objectText(members);
}

export function changeText(change: HistoryChange): string {
  const members: Texts<typeof TableChange> = {
    pk: change.pkText,
    op: quote(change.op),
    lsn: quote(change.lsn),
    ts: quote(change.ts),
    xid: quote(change.xid),
    context: `${change.contextText}`,
    ...sides(change),
  };
  return objectText(members);
}

/** A change in the document of one transaction: it names the table and leaves out what all changes of the transaction share. */
export function transactionChangeText(change: HistoryChange): string {
  const members: Texts<typeof TransactionChange> = {
    schema: quote(change.schema),
    table: quote(change.table),
    pk: change.pkText,
    op: quote(change.op),
    ...sides(change),
  };
  return objectText(members);
}

export function transactionText(transaction: TransactionSummary): string {
  return objectText(transactionMembers(transaction));
}

export function foundText({
  pkText,
  validFromText,
  validToText,
  rowText,
  incomplete,
  assumes,
  omitted,
}: FoundRow): string {
  const members: Texts<typeof FoundVersion> = {
    pk: pkText,
    valid_from: validFromText,
    valid_to: validToText,
    row: rowText,
    incomplete: incomplete && JSON.stringify(incomplete),
    assumes: assumes && quote(assumes),
    omitted: omitted && JSON.stringify(omitted),
  };
  return objectText(members);
}

function sides(
  change: HistoryChange,
): Pick<Texts<typeof TableChange>, 'before' | 'after' | 'changed' | 'incomplete' | 'assumes' | 'omitted'> {
  const { incomplete, assumes, omitted } = change;
  return {
    before: `${change.beforeText}`,
    after: `${change.afterText}`,
    changed: `${change.changedText}`,
    incomplete: incomplete && JSON.stringify(incomplete),
    assumes: assumes && quote(assumes),
    omitted: omitted && JSON.stringify(omitted),
  };
}

function transactionMembers(transaction: TransactionSummary): Texts<typeof Transaction> {
  return {
    lsn: quote(transaction.lsn),
    ts: quote(transaction.ts),
    xid: quote(transaction.xid),
    context: `${transaction.contextText}`,
    tables: transaction.tablesText,
    rows: transaction.rows,
    omitted: transaction.omitted && JSON.stringify(transaction.omitted),
  };
}

function frameTexts({
  from,
  to,
  horizon,
  final,
  tier,
  unknownText,
  next,
}: HistoryFrame & { readonly next: string | null; readonly tier?: 'archive' }): Texts<typeof Frame> {
  return {
    from: quote(from),
    to: quote(to),
    horizon: pointText(horizon),
    final: `${final}`,
    tier: tier && quote(tier),
    unknown: unknownText,
    next: quote(next),
  };
}
