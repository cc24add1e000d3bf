/**
 * Makes a page of many rows that fits into a response, however large the rows are. The store bounds what it reads for a page; where
 * the text of that is too large, it is asked again for the items that fit, because only the store makes the cursor behind them. Items
 * are complete; one that alone is too large leaves out members and names them.
 */
import type { HistoryChange } from '../core/query/changes.ts';
import type { FoundRow } from '../core/query/find.ts';
import type { TransactionSummary } from '../core/query/transactions.ts';
import { carriedBytes } from './carried-bytes.ts';

interface Items<P, T> {
  readonly of: (page: P) => readonly T[];
  /** The page with these items in place of its own. */
  readonly into: (page: P, items: readonly T[]) => P;
  /** As the caller wants it: numbers as text, for instance. */
  readonly show: (item: T) => T;
  readonly text: (item: T) => string;
  /** The item with less and less of it. */
  readonly shorter: readonly ((item: T) => T)[];
}

/** @param ask gives a page of so many items at most */
export async function boundedPage<P, T>(
  ask: (limit: number) => Promise<P>,
  items: Items<P, T>,
  { limit, maxBytes }: { readonly limit: number; readonly maxBytes: number },
): Promise<P> {
  const sizeOf = (item: T): number => carriedBytes(items.text(item)) + 1;
  for (let most = limit; ; ) {
    const page = await ask(most);
    const shown = items.of(page).map(items.show);
    const fitting = countFitting(shown.map(sizeOf), maxBytes);
    if (fitting === shown.length) return items.into(page, shown);
    if (shown.length === 1) {
      const short = items.shorter.map((shorten) => shorten(shown[0]!));
      return items.into(page, [short.find((item) => sizeOf(item) <= maxBytes) ?? short.at(-1)!]);
    }
    most = Math.max(1, fitting);
  }
}

/** How many of the first items fit. */
function countFitting(sizes: readonly number[], room: number): number {
  let used = 0;
  const tooMany = sizes.findIndex((size) => {
    used += size;
    return used > room;
  });
  return tooMany === -1 ? sizes.length : tooMany;
}

type Text = (text: string) => string;

const orNull = (text: string | null, show: Text): string | null => (text === null ? null : show(text));

export const showChange =
  (show: Text) =>
  (change: HistoryChange): HistoryChange => ({
    ...change,
    beforeText: orNull(change.beforeText, show),
    afterText: orNull(change.afterText, show),
    changedText: orNull(change.changedText, show),
    contextText: orNull(change.contextText, show),
  });

export const SHORTER_CHANGES: readonly ((change: HistoryChange) => HistoryChange)[] = [
  (change) => ({ ...change, changedText: null, omitted: ['changed'] }),
  (change) => ({ ...change, changedText: null, afterText: null, omitted: ['changed', 'after'] }),
  (change) => ({
    ...{ ...change, changedText: null, afterText: null, beforeText: null },
    omitted: ['changed', 'after', 'before'],
  }),
  (change) => ({
    ...{ ...change, changedText: null, afterText: null, beforeText: null, contextText: null },
    omitted: ['changed', 'after', 'before', 'context'],
  }),
];

export const showTransaction =
  (show: Text) =>
  (transaction: TransactionSummary): TransactionSummary => ({
    ...transaction,
    contextText: orNull(transaction.contextText, show),
  });

export const SHORTER_TRANSACTIONS: readonly ((transaction: TransactionSummary) => TransactionSummary)[] = [
  (transaction) => ({ ...transaction, contextText: null, omitted: ['context'] }),
];

export const showFound =
  (show: Text) =>
  (found: FoundRow): FoundRow => ({ ...found, rowText: show(found.rowText) });

export const SHORTER_FOUND: readonly ((found: FoundRow) => FoundRow)[] = [
  (found) => ({ ...found, rowText: 'null', omitted: ['row'] }),
];
