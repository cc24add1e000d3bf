/**
 * Answers about many rows: transactions, the changes of a table, rows found by a value. Texts of rows are the store's, so the documents
 * are put together as text: values would change if they were parsed and printed again.
 */
import type { ChangesPage, HistoryChange } from '../core/query/changes.ts';
import type { FindPage, FoundRow } from '../core/query/find.ts';
import type { HistoryFrame } from '../core/query/history-page.ts';
import type { TransactionPage, TransactionSummary, TransactionsPage } from '../core/query/transactions.ts';

export function changesPageText(page: ChangesPage): string {
  return objectText({ changes: listText(page.changes.map(changeText)), ...frameTexts(page, page.next) });
}

export function transactionsPageText(page: TransactionsPage): string {
  return objectText({
    transactions: listText(page.transactions.map(transactionText)),
    ...frameTexts(page, page.next),
  });
}

/** The transaction's own members, and every row that it touched. */
export function transactionPageText(page: TransactionPage): string {
  return objectText({
    ...transactionMembers(page.transaction),
    changes: listText(page.changes.map(transactionChangeText)),
    ...frameTexts(page, page.next),
  });
}

export function findPageText(page: FindPage): string {
  return objectText({ rows: listText(page.rows.map(foundText)), ...frameTexts(page, page.next) });
}

export function changeText(change: HistoryChange): string {
  return objectText({
    pk: change.pkText,
    op: quote(change.op),
    lsn: quote(change.lsn),
    ts: quote(change.ts),
    xid: quote(change.xid),
    context: `${change.contextText}`,
    ...sides(change),
  });
}

/** A change in the document of one transaction: it names the table and leaves out what all changes of the transaction share. */
export function transactionChangeText(change: HistoryChange): string {
  return objectText({
    schema: quote(change.schema),
    table: quote(change.table),
    pk: change.pkText,
    op: quote(change.op),
    ...sides(change),
  });
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
}: FoundRow): string {
  return objectText({
    pk: pkText,
    valid_from: validFromText,
    valid_to: validToText,
    row: rowText,
    incomplete: incomplete && JSON.stringify(incomplete),
    assumes: assumes && quote(assumes),
  });
}

function sides(change: HistoryChange): Readonly<Record<string, string | undefined>> {
  const { incomplete, assumes } = change;
  return {
    before: `${change.beforeText}`,
    after: `${change.afterText}`,
    changed: `${change.changedText}`,
    incomplete: incomplete && JSON.stringify(incomplete),
    assumes: assumes && quote(assumes),
  };
}

function transactionMembers(transaction: TransactionSummary): Readonly<Record<string, string>> {
  return {
    lsn: quote(transaction.lsn),
    ts: quote(transaction.ts),
    xid: quote(transaction.xid),
    context: `${transaction.contextText}`,
    tables: transaction.tablesText,
    rows: transaction.rows,
  };
}

function frameTexts(frame: HistoryFrame, next: string | null): Readonly<Record<string, string>> {
  const horizon = frame.horizon && `{"lsn":${quote(frame.horizon.lsn)},"ts":${quote(frame.horizon.ts)}}`;
  return {
    from: quote(frame.from),
    to: quote(frame.to),
    horizon: `${horizon}`,
    final: `${frame.final}`,
    unknown: frame.unknownText,
    next: quote(next),
  };
}

function listText(texts: readonly string[]): string {
  return `[${texts.join(',')}]`;
}

function objectText(members: Readonly<Record<string, string | undefined>>): string {
  const texts: string[] = [];
  for (const [name, text] of Object.entries(members)) if (text !== undefined) texts.push(`"${name}":${text}`);
  return `{${texts.join(',')}}`;
}

function quote(text: string | null): string {
  return JSON.stringify(text);
}
