/**
 * Questions about many rows, asked by the functions on the source. Their answers are converted into those of the engine's own
 * functions.
 */
import type pg from 'pg';
import { formatTableName } from '../../../core/pg/identifiers.ts';
import type { ChangesRequest, HistoryChange } from '../../../core/query/changes.ts';
import type { FindRequest, FoundRow } from '../../../core/query/find.ts';
import { type HistoryFrame, instantText } from '../../../core/query/history-page.ts';
import { type Instant, instantParameters } from '../../../core/query/instant.ts';
import type { TransactionSummary, TransactionsRequest } from '../../../core/query/transactions.ts';

/** All rows of a question, or at most a number of them. */
type Whole<R> = Omit<R, 'limit' | 'cursor' | 'node'> & { readonly limit?: number };

export interface HistoryInSql {
  changes(request: Whole<ChangesRequest>): Promise<HistoryChange[]>;
  transactions(request: Whole<TransactionsRequest>): Promise<Omit<TransactionSummary, 'lsnSpace'>[]>;
  transaction(lsn: string): Promise<HistoryChange[]>;
  find(request: Whole<FindRequest>): Promise<FoundRow[]>;
}

const CHANGE = `pk::text AS "pkText", op, lsn::text, ${instantText('ts')} AS ts, xid::text, context::text AS "contextText",
  before::text AS "beforeText", after::text AS "afterText", changed::text AS "changedText", incomplete, assumes`;
const commit = (end: string): string =>
  `CASE WHEN ${end}_lsn IS NULL THEN 'null' ELSE
     format('{"lsn":"%s","ts":"%s","xid":%s}', ${end}_lsn, ${instantText(`${end}_ts`)}, coalesce('"' || ${end}_xid || '"', 'null')) END`;

export function historyInSql(source: pg.Client): HistoryInSql {
  async function ask<T extends object>(columns: string, call: string, named: Named): Promise<T[]> {
    const given = Object.entries(named).filter(([, value]) => value !== null && value !== undefined);
    const list = given.map(([name], index) => `${name} => $${index + 1}`).join(', ');
    const { rows } = await source.query<T>(
      `SELECT ${columns} FROM pgtimewarp_${call}(${list})`,
      given.map(([, value]) => value),
    );
    return rows.map(
      (row) =>
        Object.fromEntries(
          Object.entries(row).filter(([name, value]) => value !== null || !OPTIONAL.includes(name)),
        ) as T,
    );
  }
  return {
    changes: ({ table, from, to, net, filter = {}, limit }) =>
      ask(`${quote(table.schema)} AS schema, ${quote(table.name)} AS table, ${CHANGE}`, 'changes', {
        rel: formatTableName(table),
        ...ends(from, to),
        net,
        where_: filter.where,
        changed_: filter.changed,
        by_: filter.by,
        op_: filter.op,
        limit_: limit,
      }),
    transactions: ({ from, to, filter = {}, limit }) =>
      ask(
        `lsn::text, ${instantText('ts')} AS ts, xid::text, context::text AS "contextText", tables::text AS "tablesText", rows::text`,
        'transactions',
        {
          rel: filter.table === undefined ? null : formatTableName(filter.table),
          ...ends(from, to),
          by_: filter.by,
          op_: filter.op,
          min_rows: filter.minRows,
          xid_: filter.xid,
          limit_: limit,
        },
      ),
    transaction: (lsn) =>
      ask(`schema_name AS schema, table_name AS table, ${CHANGE}`, 'transaction', { commit_lsn: lsn }),
    find: ({ table, where, at, from, to, limit }) =>
      ask(
        `pk::text AS "pkText", ${commit('valid_from')} AS "validFromText", ${commit('valid_to')} AS "validToText",
         row_data::text AS "rowText", incomplete, assumes`,
        'find',
        {
          rel: formatTableName(table),
          where_: where,
          ...(at === null
            ? ends(from, to)
            : { at: instantParameters(at)[0], at_lsn: instantParameters(at)[1] }),
          limit_: limit,
        },
      ),
  };
}

type Named = Readonly<Record<string, unknown>>;
/** Members that an answer has only if they are not empty. */
const OPTIONAL: readonly string[] = ['incomplete', 'assumes'];

function ends(from: Instant | null, to: Instant | null): Named {
  const [fromTs, fromLsn] = from === null ? [null, null] : instantParameters(from);
  const [toTs, toLsn] = to === null ? [null, null] : instantParameters(to);
  return { from_ts: fromTs, from_lsn: fromLsn, to_ts: toTs, to_lsn: toLsn };
}

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** What the functions report about the frame of an answer, as codes of warnings. */
export function frameCodes({ final, unknownText }: HistoryFrame): string[] {
  const holes = JSON.parse(unknownText) as unknown[];
  return [...holes.map(() => '01T03'), ...(final ? [] : ['01T01'])];
}
