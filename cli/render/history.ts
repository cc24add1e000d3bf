/** Answers about many rows for people: one or a few lines for each change, transaction or row, then what is known of the interval. */
import type { HistoryChange } from '../../core/query/changes.ts';
import type { FoundRow } from '../../core/query/find.ts';
import type { HistoryFrame } from '../../core/query/history-page.ts';
import type { TransactionSummary } from '../../core/query/transactions.ts';
import { jsonMembers, unquoteJson } from '../../core/types/json-text.ts';
import type { Output } from '../output.ts';
import { withLocalTimes } from './local-time.ts';
import { type Cell, plainTable } from './plain-table.ts';
import { printable } from './printable.ts';
import { shorten } from './width.ts';
import { wrap } from './wrap.ts';

/** Values of rows are cut to this many characters. JSON, NDJSON and CSV contain the full values. */
const SHOWN_VALUE = 40;
const SHOWN_ROW = 200;

export function renderTransactions(
  transactions: readonly TransactionSummary[],
  frame: HistoryFrame,
  out: Output,
): string {
  const rows = transactions.map(({ ts, xid, lsn, tablesText, contextText }): Cell[] => [
    [ts],
    [xid],
    [lsn], // people copy it
    tableLines(tablesText),
    contextText === null ? '' : shorten(printable(contextText), SHOWN_ROW),
  ]);
  const table =
    rows.length === 0
      ? 'No transactions.'
      : plainTable(['time', 'xid', 'LSN', 'tables', 'context'], rows, out);
  return [...heading('transactions', frame, out), '', table, ...footing(frame, out)].join('\n');
}

export function renderTransaction(
  { transaction, frame }: { readonly transaction: TransactionSummary; readonly frame: HistoryFrame },
  changes: readonly HistoryChange[],
  out: Output,
): string {
  const { xid, lsn, ts, contextText } = transaction;
  const rows = changes.map((change): Cell[] => [
    change.op,
    printable(change.table),
    keyText(change.pkText),
    changeText(change),
  ]);
  return [
    wrap(withLocalTimes(`transaction ${xid}, committed ${ts}  (${lsn})`), out.width, '  '),
    ...(contextText === null ? [] : [shorten(`context ${printable(contextText)}`, out.width)]),
    '',
    plainTable(['op', 'table', 'key', 'change'], rows, out),
    ...footing(frame, out),
  ].join('\n');
}

export function renderChanges(
  { title, frame }: { readonly title: string; readonly frame: HistoryFrame },
  changes: readonly HistoryChange[],
  out: Output,
): string {
  const rows = changes.map((change): Cell[] => [
    [change.ts],
    change.op,
    keyText(change.pkText),
    changeText(change),
    [change.xid ?? ''],
    change.contextText === null ? '' : shorten(printable(change.contextText), SHOWN_ROW),
  ]);
  const table =
    rows.length === 0
      ? 'No changes.'
      : plainTable(['time', 'op', 'key', 'change', 'xid', 'context'], rows, out);
  return [...heading(title, frame, out), '', table, ...footing(frame, out)].join('\n');
}

export function renderFound(
  { title, frame }: { readonly title: string; readonly frame: HistoryFrame },
  found: readonly FoundRow[],
  out: Output,
): string {
  const rows = found.map(({ pkText, validFromText, validToText, rowText }): Cell[] => [
    keyText(pkText),
    [pointTime(validFromText)],
    [pointTime(validToText)],
    rowLine(rowText),
  ]);
  const table =
    rows.length === 0 ? 'No rows.' : plainTable(['key', 'valid from', 'valid to', 'row'], rows, out);
  return [...heading(title, frame, out), '', table, ...footing(frame, out)].join('\n');
}

function heading(title: string, { from, to }: HistoryFrame, out: Output): string[] {
  const interval =
    from === to ? `as of ${to ?? 'now'}` : `from ${from ?? 'the start'} to ${to ?? 'the horizon'}`;
  return [wrap(withLocalTimes(`${printable(title)} ${interval}`), out.width, '  ')];
}

function footing({ unknownText, horizon, final }: HistoryFrame, out: Output): string[] {
  const lines = unknownIntervals(unknownText).map(({ from, to, reason, tables }) => {
    const of = tables === undefined ? '' : `${tables.map(({ table }) => printable(table)).join(', ')}: `;
    const text = `${of}unknown from ${from ?? 'the start'} to ${to ?? 'the end'}: ${reason.replaceAll('_', ' ')}`;
    return out.colors.red(wrap(withLocalTimes(text), out.width, '  '));
  });
  if (horizon !== null) {
    const known = `known up to ${horizon.ts}  (${horizon.lsn}); ${final ? 'final' : 'not final'}`;
    lines.push(out.colors.dim(wrap(withLocalTimes(known), out.width, '  ')));
  }
  return ['', ...lines];
}

interface UnknownInterval {
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string;
  readonly tables?: readonly { readonly schema: string; readonly table: string }[];
}

/** Times, reasons and names only, no values of rows. */
function unknownIntervals(text: string): UnknownInterval[] {
  return JSON.parse(text) as UnknownInterval[];
}

interface TableCounts {
  readonly table: string;
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
  readonly truncates: number;
}

/** `orders  3 updated, 1 deleted` for each table. Numbers and names only, no values of rows. */
function tableLines(text: string): string[] {
  return (JSON.parse(text) as TableCounts[]).map((counts) => {
    const parts = [
      counted(counts.inserts, 'inserted'),
      counted(counts.updates, 'updated'),
      counted(counts.deletes, 'deleted'),
      counts.truncates > 0 ? 'TRUNCATE' : null,
    ];
    return `${printable(counts.table)}: ${parts.filter((part) => part !== null).join(', ')}`;
  });
}

function counted(number: number, word: string): string | null {
  return number === 0 ? null : `${number.toLocaleString('en')} ${word}`;
}

/** For an update the changed columns, otherwise the row. */
function changeText({ changedText, beforeText, afterText }: HistoryChange): string {
  if (changedText === null) return rowLine(afterText ?? beforeText ?? '{}');
  const changed = [...jsonMembers(changedText, 0).members].map(([name, sidesText]) => {
    const sides = jsonMembers(sidesText, 0).members;
    const [old, now] = [sides.get('from') ?? '(none)', sides.get('to') ?? '(none)'];
    return `${printable(name)} ${shorten(printable(old), SHOWN_VALUE)} → ${shorten(printable(now), SHOWN_VALUE)}`;
  });
  return changed.length === 0 ? '(no column changed)' : changed.join(', ');
}

function rowLine(text: string): string {
  const members = [...jsonMembers(text, 0).members].map(
    ([name, value]) => `${printable(name)}=${shorten(printable(value), SHOWN_VALUE)}`,
  );
  return shorten(members.join(' '), SHOWN_ROW);
}

function keyText(pkText: string): string {
  return [...jsonMembers(pkText, 0).members]
    .map(([name, value]) => printable(`${name}=${value.startsWith('"') ? unquoteJson(value) : value}`))
    .join(', ');
}

function pointTime(text: string): string {
  return text === 'null' ? '' : ((JSON.parse(text) as { readonly ts: string | null }).ts ?? '');
}
