/**
 * The routes about many rows. Their pages are under 5 MB. A caller who may read only some tables of a node is told of transactions
 * only what they did to these.
 */
import type { Context } from 'hono';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { Queryable } from '../core/pg/connection.ts';
import type { TableName } from '../core/pg/identifiers.ts';
import { activity } from '../core/query/activity.ts';
import type { ReadArchive } from '../core/query/archived.ts';
import { changes } from '../core/query/changes.ts';
import { findRows } from '../core/query/find.ts';
import type { HistoryFrame } from '../core/query/history-page.ts';
import { NOW } from '../core/query/instant.ts';
import {
  type TransactionPage,
  type TransactionSummary,
  transactionChanges,
  transactions,
} from '../core/query/transactions.ts';
import { Activity, activityText } from '../documents/activity.ts';
import {
  changesPageText,
  changeText,
  FoundVersions,
  findPageText,
  foundText,
  TableChanges,
  TransactionChanges,
  Transactions,
  transactionChangeText,
  transactionPageText,
  transactionsPageText,
  transactionText,
} from '../documents/history.ts';
import { Problem } from '../documents/problem.ts';
import { NodeName } from '../documents/values.ts';
import {
  boundedPage,
  shortenChange,
  showChange,
  showFound,
  showTransaction,
  withoutContext,
  withoutRow,
} from './bounded-page.ts';
import { carriedBytes, MAX_CARRIED_BYTES } from './carried-bytes.ts';
import { cacheHeaders } from './entity-tag.ts';
import type { Grants } from './grants.ts';
import {
  ActivityQuery,
  ChangesQuery,
  FindQuery,
  LsnSegment,
  TransactionQuery,
  TransactionsQuery,
} from './history-schemas.ts';
import { HTTP } from './http-status.ts';
import { readInstant, readPathParameter, readQuery, readTable, rowValues } from './request-input.ts';
import { forbidden, keepable, shown } from './responses.ts';
import { define, FAILURES, ONE_TABLE } from './route.ts';

const RESPONSES = {
  [HTTP.notModified]: null,
  ...FAILURES,
  [HTTP.notFound]: [Problem],
  [HTTP.unknown]: [Problem],
} as const;

export const HISTORY_ROUTES = define({
  transactions: {
    operationId: 'listTransactions',
    path: '/v1/nodes/{node}/transactions',
    summary:
      'What was committed between two instants, newest first (default: from the start of tracking to the horizon)',
    pathParameters: { node: NodeName },
    query: TransactionsQuery,
    responses: { [HTTP.ok]: [Transactions], ...RESPONSES },
    keepable: true,
    answer: async (context, { ask, grantsOf, readArchive }) => {
      const query = readQuery(context, TransactionsQuery);
      const node = readPathParameter(context, 'node', NodeName);
      const { table, by, op, min_rows: minRows, xid } = query;
      const grants = grantsOf(context);
      if (table !== undefined && grants?.mayRead(node, table) === false) return forbidden();
      const only = onlyOf(grants, node);
      const request = {
        ...{ node, only, from: readInstant(query.from), to: readInstant(query.to) },
        filter: given({ table, by, op, minRows, xid }),
        readArchive,
        cursor: query.cursor ?? null,
      };
      const page = await ask({ context, node, query }, (store) =>
        boundedPage(
          (limit) => transactions(store, { ...request, limit }),
          {
            of: (each) => each.transactions,
            into: (each, items) => ({ ...each, transactions: items }),
            show: showTransaction((text) => shown(text, query.numbers)),
            text: transactionText,
            shorten: withoutContext,
          },
          { limit: query.limit, maxBytes: MAX_CARRIED_BYTES },
        ),
      );
      return answerPage(context, page, transactionsPageText, query.to !== undefined && only === null);
    },
  },
  activity: {
    operationId: 'getActivity',
    path: '/v1/nodes/{node}/activity',
    summary:
      'How much was committed between two instants, in intervals of equal length (default: from the start of tracking to the horizon)',
    pathParameters: { node: NodeName },
    query: ActivityQuery,
    responses: { [HTTP.ok]: [Activity], ...RESPONSES },
    keepable: true,
    answer: async (context, { ask, grantsOf }) => {
      const query = readQuery(context, ActivityQuery);
      const node = readPathParameter(context, 'node', NodeName);
      const only = onlyOf(grantsOf(context), node);
      const { buckets } = query;
      const request = { node, only, buckets, from: readInstant(query.from), to: readInstant(query.to) };
      const answer = await ask({ context, node, query }, (store) => activity(store, request));
      // without a beginning the lengths of the intervals depend on what is tracked
      const isPinned = query.from !== undefined && query.to !== undefined && only === null;
      return answerPage(context, answer, activityText, isPinned);
    },
  },
  transaction: {
    operationId: 'getTransaction',
    path: '/v1/nodes/{node}/transactions/{lsn}',
    summary: 'Every row that a transaction touched, before and after',
    pathParameters: { node: NodeName, lsn: LsnSegment },
    query: TransactionQuery,
    responses: { [HTTP.ok]: [TransactionChanges], ...RESPONSES },
    keepable: true,
    answer: async (context, { ask, grantsOf, readArchive }) => {
      const query = readQuery(context, TransactionQuery);
      const node = readPathParameter(context, 'node', NodeName);
      const lsn = readPathParameter(context, 'lsn', LsnSegment);
      const only = onlyOf(grantsOf(context), node);
      const page = await ask({ context, node, query }, (store) =>
        askTransaction(store, { node, lsn, only, query, readArchive }),
      );
      return answerPage(context, page, transactionPageText, only === null);
    },
  },
  changes: {
    operationId: 'listChanges',
    path: '/v1/nodes/{node}/tables/{table}/changes',
    summary:
      'What changed in a table between two instants (default: from the start of tracking to the horizon)',
    pathParameters: ONE_TABLE,
    query: ChangesQuery,
    responses: { [HTTP.ok]: [TableChanges], ...RESPONSES },
    keepable: true,
    answer: async (context, { ask, readArchive }) => {
      const query = readQuery(context, ChangesQuery);
      const { changed, by, op } = query;
      const request = {
        ...{ ...readTable(context), from: readInstant(query.from), to: readInstant(query.to) },
        net: query.net === 'true',
        readArchive,
        filter: given({ where: rowValues(query), changed, by, op }),
        cursor: query.cursor ?? null,
      };
      const page = await ask({ context, node: request.node, query }, (store) =>
        boundedPage(
          (limit) => changes(store, { ...request, limit }),
          {
            of: (each) => each.changes,
            into: (each, items) => ({ ...each, changes: items }),
            show: showChange((text) => shown(text, query.numbers)),
            text: changeText,
            shorten: shortenChange,
          },
          { limit: query.limit, maxBytes: MAX_CARRIED_BYTES },
        ),
      );
      return answerPage(context, page, changesPageText, query.to !== undefined);
    },
  },
  find: {
    operationId: 'findRows',
    path: '/v1/nodes/{node}/tables/{table}/find',
    summary: 'Which rows had values, and when: at an instant (default: now), or at any moment between two',
    pathParameters: ONE_TABLE,
    query: FindQuery,
    responses: { [HTTP.ok]: [FoundVersions], ...RESPONSES },
    keepable: true,
    answer: async (context, { ask, readArchive }) => {
      const query = readQuery(context, FindQuery);
      const isInterval = query.from !== undefined || query.to !== undefined;
      if (isInterval && query.at !== undefined) {
        throw new TimewarpError('BAD_FLAGS', 'at asks about one instant, from and to about an interval.', {
          remedy: 'Leave out one of them.',
        });
      }
      const where = rowValues(query);
      if (where === undefined) {
        throw new TimewarpError('BAD_FLAGS', 'The request does not say what the rows must have.', {
          remedy: 'Add where.COLUMN=VALUE or null=COLUMN.',
        });
      }
      const request = {
        ...{ ...readTable(context), where, cursor: query.cursor ?? null },
        at: isInterval ? null : (readInstant(query.at) ?? NOW),
        ...{ from: readInstant(query.from), to: readInstant(query.to) },
        readArchive,
      };
      const page = await ask({ context, node: request.node, query }, (store) =>
        boundedPage(
          (limit) => findRows(store, { ...request, limit }),
          {
            of: (each) => each.rows,
            into: (each, items) => ({ ...each, rows: items }),
            show: showFound((text) => shown(text, query.numbers)),
            text: foundText,
            shorten: withoutRow,
          },
          { limit: query.limit, maxBytes: MAX_CARRIED_BYTES },
        ),
      );
      return answerPage(context, page, findPageText, (query.at ?? query.to) !== undefined);
    },
  },
});

interface TransactionRequest {
  readonly node: string;
  readonly lsn: string;
  readonly only: readonly TableName[] | null;
  readonly readArchive: ReadArchive | undefined;
  readonly query: Pick<ReturnType<typeof TransactionQuery.parse>, 'limit' | 'cursor' | 'numbers' | 'xid'>;
}

/** Throws TRANSACTION_UNKNOWN also where it touched only tables that the caller may not read. */
async function askTransaction(
  store: Queryable,
  { node, lsn, only, query, readArchive }: TransactionRequest,
): Promise<TransactionPage> {
  const filter = given({ lsn, xid: query.xid });
  const request = { node, only, filter, from: null, to: null, limit: 2, readArchive };
  const { transactions: found } = await transactions(store, request);
  const [transaction, another] = found;
  if (transaction === undefined) {
    const message = `Node "${node}" has no transaction with the commit LSN ${lsn}.`;
    throw new TimewarpError('TRANSACTION_UNKNOWN', message);
  }
  if (another !== undefined) {
    throw new TimewarpError('BAD_FLAGS', `Two servers behind node "${node}" had a transaction at ${lsn}.`, {
      remedy: `Say which one: xid=${transaction.xid} or xid=${another.xid}.`,
    });
  }
  const show = (text: string): string => shown(text, query.numbers);
  const cursor = query.cursor ?? null;
  const head = headOf(showTransaction(show)(transaction));
  const page = await boundedPage(
    (limit) => transactionChanges(store, { node, transaction, only, limit, cursor, readArchive }),
    {
      of: (each) => each.changes,
      into: (each, items) => ({ ...each, changes: items }),
      show: showChange(show),
      text: transactionChangeText,
      shorten: shortenChange,
    },
    { limit: query.limit, maxBytes: MAX_CARRIED_BYTES - carriedBytes(transactionText(head)) },
  );
  return { ...page, transaction: head };
}

/** What the transaction says about itself must leave room for its changes. */
function headOf(transaction: TransactionSummary): TransactionSummary {
  const isLarge = carriedBytes(transactionText(transaction)) > MAX_CARRIED_BYTES / 2;
  return isLarge ? withoutContext(transaction) : transaction;
}

/** null: all tables of the node. */
function onlyOf(grants: Grants | null, node: string): readonly TableName[] | null {
  return grants === null ? null : grants.tablesOf(node);
}

/**
 * @param isPinned the request names its instants, and the answer is the same for everybody: one that depends on the rights of the
 * caller must not outlive them in a cache
 */
// biome-ignore lint/complexity/useMaxParams: the page, its text, and whether it may be kept
function answerPage<P extends HistoryFrame>(
  context: Context,
  page: P,
  textOf: (page: P) => string,
  isPinned: boolean,
): Response {
  const headers = cacheHeaders(page.final && isPinned, () => textOf({ ...page, horizon: null }));
  return keepable(context, textOf(page), headers);
}

type Given<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Without members that are undefined. */
function given<T extends object>(members: T): Given<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Given<T>;
}
