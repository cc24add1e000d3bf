/** A tracked node whose source has the SQL functions and the views of the past. Runs continue while questions wait for them. */
import { makeViews, type PastView } from '../../cli/extension/views.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { inTransaction } from '../../core/pg/transaction.ts';
import { type SqlSource, sqlSource } from './sql-source.ts';
import { type TrackedNode, type TrackedNodeOptions, trackedNode } from './tracked-node.ts';

export interface PastSource extends AsyncDisposable {
  readonly node: TrackedNode;
  readonly sql: SqlSource;
  /** Creates or replaces the views of tables. */
  views(...tables: readonly string[]): Promise<PastView[]>;
  /** The rows of a query, as of an instant, while runs continue. */
  asOf<T extends object = Record<string, unknown>>(at: string, query: string): Promise<T[]>;
  /** The result of a question, while runs continue. */
  whileRunning<T>(question: () => Promise<T>): Promise<T>;
  /** The position after everything that is committed now, after runs have read it. */
  mark(): Promise<string>;
  /** The NOTICEs that the store alone answered, since the last call. */
  alone(): string[];
}

export async function pastSource(options: TrackedNodeOptions): Promise<PastSource> {
  const node = await trackedNode(options);
  const sql = await sqlSource(node);
  const notices: string[] = [];
  node.source.on('notice', ({ message }) => {
    if (message?.startsWith('the store alone answers')) notices.push(message);
  });
  const views = async (...tables: readonly string[]): Promise<PastView[]> => {
    const { rows } = await node.store.query<{ name: string; excluded: string[] }>(
      'SELECT t.schema_name || $2 || t.table_name AS name, t.excluded_columns AS excluded FROM pgtimewarp.tracked_relations t WHERE t.node_id = $1',
      [node.node, '.'],
    );
    const wanted = tables.map(parseTableName).map((name) => ({
      name,
      excludedColumns: rows.find((row) => row.name === `${name.schema}.${name.name}`)?.excluded ?? [],
    }));
    const session = await node.connect('source'); // its search_path ends with the session
    return inTransaction(session, () => makeViews(session, wanted)).finally(() => session.end());
  };
  const whileRunning = async <T>(question: () => Promise<T>): Promise<T> => {
    let asking = true;
    const answer = question().finally(() => {
      asking = false;
    });
    answer.catch(() => {});
    while (asking) {
      await node.poll();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return answer;
  };
  if (options.track !== undefined) await views(...options.track);
  return {
    ...{ node, sql, views, whileRunning },
    asOf: async (at, query) => {
      await node.source.query(`SELECT set_config('pgtimewarp.as_of', $1, false)`, [at]);
      return whileRunning(async () => (await node.source.query(query)).rows);
    },
    mark: async () => {
      const { rows } = await node.source.query<{ lsn: string }>(
        'SELECT pg_current_wal_insert_lsn()::text AS lsn',
      );
      await node.poll();
      return rows[0]!.lsn;
    },
    alone: () => notices.splice(0),
    [Symbol.asyncDispose]: async () => {
      await node[Symbol.asyncDispose]();
      await sql[Symbol.asyncDispose]();
    },
  };
}

/** The rows that only one of two queries has: `EXCEPT ALL` both ways. */
export function differences(one: string, other: string): string {
  return `(SELECT 'only one' AS side, d::text AS row FROM (${one} EXCEPT ALL ${other}) AS d)
           UNION ALL (SELECT 'only other', d::text FROM (${other} EXCEPT ALL ${one}) AS d)`;
}
