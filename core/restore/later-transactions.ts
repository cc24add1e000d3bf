/**
 * `--cascade`: which later transactions must be undone along with others. Those that changed the same rows later, and those that made rows
 * refer to one that is to be deleted; then those that changed their rows later, and so on, until nothing is added. Where a table
 * has a gap after the first of them, nobody knows them all, and that is an error.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import type { TransactionSummary } from '../query/transactions.ts';
import { transactions as askTransactions } from '../query/transactions.ts';
import { formatLsn, type Lsn, parseLsn } from '../types/lsn.ts';
import { requireKnown } from './changes-since.ts';
import { foldChanges } from './fold-changes.ts';
import type { PlanSource } from './plan-source.ts';
import {
  type Bounds,
  type HistoryFacts,
  historyFacts,
  type UndoneChange,
  undoneChanges,
} from './undone-changes.ts';

export interface Cascade {
  /** All that is undone, newest first. */
  readonly transactions: readonly TransactionSummary[];
  /** Those of them that were not named. */
  readonly takenAlong: readonly TransactionSummary[];
  /** Of all, in the order of commits. */
  readonly changes: readonly UndoneChange[];
}

interface Request extends Bounds {
  readonly node: string;
  readonly transactions: readonly TransactionSummary[];
  /** The position up to which the history is read. */
  readonly horizonLsn: string;
}

/**
 * Throws ROWS_UNKNOWN, VALUES_UNKNOWN, BAD_FLAGS (more rows than `maxRows`).
 * @param source null: rows that refer to others are not looked for
 */
export async function withLaterTransactions(
  { store, source }: { readonly store: Queryable; readonly source: PlanSource | null },
  { transactions, maxRows, ...request }: Request,
): Promise<Cascade> {
  const { node, horizonLsn } = request;
  const all = new Map(transactions.map((each) => [each.lsn, each]));
  const searched = new Map<string, Lsn>();
  let added: readonly TransactionSummary[] = transactions;
  let changes: UndoneChange[] = [];
  for (;;) {
    const bounds = { ...request, maxRows: maxRows - changes.length };
    changes = [...changes, ...(await undoneChanges(store, { ...bounds, transactions: added }))];
    changes.sort((a, b) => (a.lsn < b.lsn ? -1 : a.lsn > b.lsn ? 1 : 0));
    const found = new Set<string>();
    for (const [relationId, ofTable] of byRelation(changes)) {
      const [history] = await historyFacts(store, [relationId]);
      if (!history!.isTracked) continue; // the plan refuses it
      await requireKnown(store, {
        node,
        table: ofTable[0]!.table,
        fromLsn: formatLsn(ofTable[0]!.lsn),
        untilLsn: horizonLsn,
      });
      const firsts = firstChanges(ofTable).filter(
        ({ pk, lsn }) => lsn < (searched.get(`${relationId} ${pk}`) ?? lsn + 1n),
      );
      for (const { pk, lsn } of firsts) searched.set(`${relationId} ${pk}`, lsn);
      for (const lsn of await laterCommits(store, relationId, firsts)) found.add(lsn);
      for (const lsn of await referring({ store, source }, { node, history: history!, changes: ofTable }))
        found.add(lsn);
    }
    const lsns = [...found].filter((lsn) => !all.has(lsn));
    if (lsns.length === 0) break;
    const { lsnSpace } = transactions[0]!;
    const summaries: TransactionSummary[] = [];
    for (const lsn of lsns) summaries.push(await summary(store, { node, lsn, lsnSpace }));
    for (const each of summaries) all.set(each.lsn, each);
    added = summaries;
  }
  const newestFirst = [...all.values()].sort((a, b) => (parseLsn(a.lsn) > parseLsn(b.lsn) ? -1 : 1));
  const named = new Set(transactions);
  return { transactions: newestFirst, takenAlong: newestFirst.filter((each) => !named.has(each)), changes };
}

function byRelation(changes: readonly UndoneChange[]): Map<string, UndoneChange[]> {
  const found = new Map<string, UndoneChange[]>();
  for (const change of changes) {
    const ofRelation = found.get(change.relationId);
    if (ofRelation === undefined) found.set(change.relationId, [change]);
    else ofRelation.push(change);
  }
  return found;
}

/** The oldest undone change of each key. */
function firstChanges(changes: readonly UndoneChange[]): { pk: string; lsn: Lsn }[] {
  const found = new Map<string, { pk: string; lsn: Lsn }>();
  for (const { pk, lsn } of changes) if (!found.has(pk)) found.set(pk, { pk, lsn });
  return [...found.values()];
}

/** The commits that changed one of the rows after its position, a TRUNCATE too. Throws ROWS_UNKNOWN for a change of no transaction. */
async function laterCommits(
  store: Queryable,
  relationId: string,
  keys: readonly { readonly pk: string; readonly lsn: Lsn }[],
): Promise<string[]> {
  if (keys.length === 0) return [];
  const { rows } = await store.query<{ lsn: string; is_found: boolean }>(
    `WITH k AS MATERIALIZED (
            SELECT u.pk COLLATE "C" AS pk, u.lsn FROM unnest($2::text[], $3::pg_lsn[]) AS u (pk, lsn))
     SELECT c.valid_from_lsn::text AS lsn, bool_or(c.xid IS NULL) AS is_found
       FROM k JOIN pgtimewarp.row_changes AS c ON c.relation_id = $1::int AND c.pk = k.pk AND c.valid_from_lsn > k.lsn
      GROUP BY c.valid_from_lsn
      UNION
     SELECT e.lsn::text, false
       FROM pgtimewarp.relation_events AS e
       JOIN pgtimewarp.relation_periods AS p ON p.relation_id = e.relation_id
       JOIN pgtimewarp.wal_checkpoints AS w ON w.node_id = p.node_id
      CROSS JOIN LATERAL (SELECT array_agg(k.pk) AS pks FROM k WHERE k.lsn < e.lsn) AS a
      WHERE e.relation_id = $1::int AND e.op = 'T' AND e.lsn > (SELECT min(k.lsn) FROM k) AND EXISTS (
            SELECT FROM pgtimewarp.rows_before(p.relation_id, p.tracked_from_lsn, w.applied_lsn, a.pks,
                   array_fill(e.lsn, ARRAY[cardinality(a.pks)]), array_fill(e.seq, ARRAY[cardinality(a.pks)])) AS b
             WHERE b.is_there IS NOT FALSE AND (e.leaf_id IS NULL OR b.leaf_id IS NOT DISTINCT FROM e.leaf_id))`,
    [relationId, keys.map(({ pk }) => pk), keys.map(({ lsn }) => formatLsn(lsn))],
  );
  if (rows.some((row) => row.is_found))
    throw new TimewarpError(
      'ROWS_UNKNOWN',
      'A row was changed later in a gap: no transaction is known that did it.',
    );
  return rows.map(({ lsn }) => lsn);
}

/** The commits that made rows refer to rows that are to be deleted. */
async function referring(
  { store, source }: { readonly store: Queryable; readonly source: PlanSource | null },
  {
    node,
    history,
    changes,
  }: {
    readonly node: string;
    readonly history: HistoryFacts;
    readonly changes: readonly UndoneChange[];
  },
): Promise<string[]> {
  if (source === null || history.relid === null) return [];
  const doomed = foldChanges(changes, history.keyColumns).filter(({ op }) => op === 'delete');
  const { table } = changes[0]!;
  const rows = doomed.map(({ expected }) => expected!);
  return await source.referringCommits(store, { node, table, oid: history.relid, rows });
}

async function summary(
  store: Queryable,
  { node, lsn, lsnSpace }: { readonly node: string; readonly lsn: string; readonly lsnSpace: string },
): Promise<TransactionSummary> {
  const page = await askTransactions(store, { node, from: null, to: null, filter: { lsn }, limit: 10 });
  const found = page.transactions.find((each) => each.lsnSpace === lsnSpace);
  if (found === undefined) throw new TimewarpError('ROWS_UNKNOWN', `The history has no transaction ${lsn}.`);
  return found;
}
