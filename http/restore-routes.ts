/**
 * Plans of restores, as SQL. The API has the store alone, so it never writes to a source and never asks one: the script that it answers
 * with checks the source when somebody runs it. A caller must be allowed to read every table that a plan touches.
 */
import type { Context } from 'hono';
import type { Queryable } from '../core/pg/connection.ts';
import type { KeyInput } from '../core/query/key-input.ts';
import type { TransactionSummary } from '../core/query/transactions.ts';
import { namedTransactions, transactionsBy } from '../core/restore/chosen-transactions.ts';
import { planFromStore } from '../core/restore/plan-from-store.ts';
import type { Undo } from '../core/restore/plan-restore.ts';
import { Problem } from '../documents/problem.ts';
import { Restore, restoreText } from '../documents/restore.ts';
import { parseTableSegment } from '../documents/table-segment.ts';
import { NodeName } from '../documents/values.ts';
import { isTooBig } from './carried-bytes.ts';
import type { Grants } from './grants.ts';
import { HTTP } from './http-status.ts';
import { respond } from './problem.ts';
import { readInstant, readPathParameter, readQuery } from './request-input.ts';
import { forbidden, JSON_CONTENT, tooLarge } from './responses.ts';
import { MAX_TRANSACTIONS, RestorePlanBody, type RestoreTarget, readRestoreBody } from './restore-body.ts';
import { define, FAILURES } from './route.ts';
import { AwaitQuery } from './schemas.ts';
import type { Service } from './service.ts';

/** Of rows that a plan reads; a larger script would not fit into a response. */
const MAX_SIZE = 16 * 1024 * 1024;

export const RESTORE_ROUTES = define({
  restorePlans: {
    operationId: 'planRestore',
    method: 'POST',
    body: RestorePlanBody,
    path: '/v1/nodes/{node}/restore-plans',
    summary:
      'What would put rows back, and the SQL script that does it. The source is not asked: the script checks it when it runs',
    pathParameters: { node: NodeName },
    query: AwaitQuery,
    responses: {
      [HTTP.ok]: [Restore],
      ...FAILURES,
      [HTTP.notFound]: [Problem],
      [HTTP.unknown]: [Problem],
      [HTTP.gone]: [Problem],
      [HTTP.tooLarge]: [Problem],
    },
    keepable: false,
    answer: answerPlan,
  },
});

async function answerPlan(context: Context, { ask, grantsOf }: Service): Promise<Response> {
  const query = readQuery(context, AwaitQuery);
  const node = readPathParameter(context, 'node', NodeName);
  const target = readRestoreBody(await context.req.arrayBuffer());
  const grants = grantsOf(context);
  const result = await ask({ context, node, query }, async (store) => {
    const undo = await chooseUndo(store, { node, target, grants });
    return undo === null
      ? null
      : await planFromStore(store, {
          ...{ node, undo, maxRows: target.max_rows, maxSize: MAX_SIZE },
          ...{ skipConflicts: target.skip_conflicts, noTriggers: target.no_triggers },
          ...{ defaults: target.defaults, cascade: 'cascade' in target && target.cascade },
          lockTimeoutMs: target.lock_timeout_seconds * 1000,
        });
  });
  if (result === null) return forbidden();
  const text = restoreText(result);
  if (isTooBig(text))
    return tooLarge(
      'The plan does not fit into a response.',
      'Restore fewer rows at a time, or use `pgtimewarp restore`.',
    );
  return respond(HTTP.ok, text, { 'content-type': JSON_CONTENT, 'cache-control': 'no-store' });
}

interface Choice {
  readonly node: string;
  readonly target: RestoreTarget;
  readonly grants: Grants | null;
}

/** null: it touches a table that the caller may not read. */
async function chooseUndo(store: Queryable, { node, target, grants }: Choice): Promise<Undo | null> {
  if (!('table' in target)) {
    // what is taken along may be of any table
    if (target.cascade && grants?.mayReadAllOf(node) === false) return null;
    const transactions = await chooseTransactions(store, { node, target, grants });
    return transactions === null ? null : { kind: 'transactions', transactions };
  }
  const table = parseTableSegment(target.table);
  if (grants?.mayRead(node, table) === false) return null;
  const at = readInstant(target.at)!;
  if ('pk' in target)
    return { kind: 'table', table, at, rows: { kind: 'key', key: JSON.stringify(target.pk) as KeyInput } };
  if ('where' in target) return { kind: 'table', table, at, rows: { kind: 'where', where: target.where } };
  return { kind: 'table', table, at, rows: { kind: 'all' } };
}

/** As if transactions that touched only other tables did not exist. null: one of them also touched such a table. */
async function chooseTransactions(
  store: Queryable,
  {
    node,
    target,
    grants,
  }: Omit<Choice, 'target'> & { readonly target: Exclude<RestoreTarget, { table: string }> },
): Promise<TransactionSummary[] | null> {
  const only = grants === null ? null : grants.tablesOf(node);
  const always = { from: null, to: null };
  const found =
    'by' in target
      ? await transactionsBy(store, {
          ...{ node, only, by: target.by, most: MAX_TRANSACTIONS },
          ...{ from: readInstant(target.from)!, to: readInstant(target.to) },
        })
      : await namedTransactions(store, { node, only, names: target.transactions, ...always });
  if (grants === null || only === null) return found;
  const names = found.map(({ lsn }) => lsn);
  const whole = await namedTransactions(store, { node, names, ...always });
  const isReadable = ({ tablesText }: TransactionSummary): boolean =>
    // names and counts, no values of rows
    (JSON.parse(tablesText) as { schema: string; table: string }[]).every(({ schema, table }) =>
      grants.mayRead(node, { schema, name: table }),
    );
  return whole.every(isReadable) ? whole : null;
}
