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
  /** Leaves out members until the item fits. */
  readonly shorten: (item: T, fits: (item: T) => boolean) => T;
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
    if (shown.length === 1)
      return items.into(page, [items.shorten(shown[0]!, (item) => sizeOf(item) <= maxBytes)]);
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

const MEMBERS = { after: 'afterText', before: 'beforeText', context: 'contextText' } as const;

/** Leaves out `changed`, which follows from the rows, and then the largest member that is left. */
export function shortenChange(
  change: HistoryChange,
  fits: (change: HistoryChange) => boolean,
): HistoryChange {
  const isChanged = change.changedText !== null;
  let short = { ...change, changedText: null, ...(isChanged ? { omitted: ['changed'] } : {}) };
  const bySize = Object.entries(MEMBERS)
    .map(([name, member]) => ({ name, member, length: change[member]?.length ?? 0 }))
    .sort((a, b) => b.length - a.length);
  for (const { name, member } of bySize) {
    if (fits(short)) break;
    short = { ...short, [member]: null, omitted: [...(short.omitted ?? []), name] };
  }
  return short;
}

export const showTransaction =
  (show: Text) =>
  (transaction: TransactionSummary): TransactionSummary => ({
    ...transaction,
    contextText: orNull(transaction.contextText, show),
  });

export function withoutContext(transaction: TransactionSummary): TransactionSummary {
  return { ...transaction, contextText: null, omitted: ['context'] };
}

export const showFound =
  (show: Text) =>
  (found: FoundRow): FoundRow => ({ ...found, rowText: show(found.rowText) });

export function withoutRow(found: FoundRow): FoundRow {
  return { ...found, rowText: 'null', omitted: ['row'] };
}
