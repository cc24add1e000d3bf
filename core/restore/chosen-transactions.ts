/** Finds the transactions that are to be undone. All of them are known, or it is an error. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import type { Instant } from '../query/instant.ts';
import { identityFilter } from '../query/transaction-identity.ts';
import { type TransactionSummary, transactions } from '../query/transactions.ts';

interface Interval {
  readonly from: Instant | null;
  readonly to: Instant | null;
}

interface Scope {
  readonly node: string;
  /** Only what transactions did to these tables, as if there were no others; null or missing: all. */
  readonly only?: readonly TableName[] | null;
}

/** @param names commit LSNs or numbers. Throws BAD_FLAGS, ROWS_UNKNOWN for one that the history does not have. */
export async function namedTransactions(
  store: Queryable,
  { node, only = null, names, from, to }: Scope & Interval & { readonly names: readonly string[] },
): Promise<TransactionSummary[]> {
  const found: TransactionSummary[] = [];
  for (const identity of new Set(names)) {
    const page = await transactions(store, {
      ...{ node, only, from, to },
      filter: identityFilter(identity),
      limit: 2,
    });
    const [transaction, another] = page.transactions;
    if (transaction === undefined)
      throw new TimewarpError('ROWS_UNKNOWN', `The history has no transaction ${identity}.`, {
        remedy:
          'Perhaps no run has read it yet: pgtimewarp poll. `pgtimewarp transactions` lists those that are known.',
      });
    if (another !== undefined)
      throw new TimewarpError('BAD_FLAGS', `Several transactions had the number ${identity}.`, {
        remedy: 'Name the commit LSN: `pgtimewarp transaction XID` lists them.',
      });
    if (!found.some(({ lsn }) => lsn === transaction.lsn)) found.push(transaction);
  }
  return found;
}

export interface ActorRequest extends Scope {
  readonly from: Instant;
  readonly to: Instant | null;
  readonly by: Readonly<Record<string, string>>;
  /** More transactions than this are an error. */
  readonly most: number;
}

/** Those that said this about themselves. Throws BAD_FLAGS, ROWS_UNKNOWN if not all of them are known. */
export async function transactionsBy(
  store: Queryable,
  { node, only = null, from, to, by, most }: ActorRequest,
): Promise<TransactionSummary[]> {
  const page = await transactions(store, { node, only, from, to, filter: { by }, limit: most });
  if (page.next !== null)
    throw new TimewarpError('BAD_FLAGS', `More than ${most} transactions: name a shorter time.`);
  if ((to !== null && !page.final) || page.unknownText !== '[]')
    throw new TimewarpError('ROWS_UNKNOWN', 'Not all transactions of that time are known.', {
      remedy: 'Name an interval that runs have read, without a gap: see pgtimewarp transactions.',
    });
  return [...page.transactions];
}
