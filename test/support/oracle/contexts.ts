/**
 * Who made each change, as the source knows it: messages and row changes are numbered when they happen, in tables that are not
 * tracked. So a rollback to a savepoint removes them there too.
 */
import fc from 'fast-check';
import type pg from 'pg';
import { quoteIdentifier, quoteTable } from '../../../core/pg/identifiers.ts';
import { type OracleTable, storedName } from './oracle-table.ts';
import { rowId } from './run-workload.ts';
import type { WeightedStep } from './workload.ts';

/** Sometimes a transaction names who acts, under one of the two usual prefixes. */
export const SAYING: WeightedStep = {
  weight: 8,
  arbitrary: fc
    .tuple(fc.constantFrom('pgtimewarp', '_bemi'), fc.constantFrom('ann', 'bob', 'cid', 'dan'))
    .map(([prefix, who]) => ({ kind: 'sql', sql: `SELECT oracle.say('${prefix}', '${who}')` })),
};

/** SQL for the source, after its tables exist. */
export function contextLogSql(tables: readonly OracleTable[]): string {
  return `
    CREATE SCHEMA oracle;
    CREATE SEQUENCE oracle.numbers;
    CREATE TABLE oracle.said (n bigint DEFAULT nextval('oracle.numbers'), xid bigint, who text);
    CREATE TABLE oracle.changed (n bigint DEFAULT nextval('oracle.numbers'), xid bigint, id text, op text);
    CREATE FUNCTION oracle.say(prefix text, who text) RETURNS void LANGUAGE sql AS $$
      SELECT pg_logical_emit_message(true, prefix, to_json(who)::text);
      INSERT INTO oracle.said (xid, who) VALUES (pg_current_xact_id()::text::bigint, who);
    $$;
    ${tables.map(logSql).join('\n')}`;
}

function logSql(table: OracleTable, index: number): string {
  const key = (row: 'OLD' | 'NEW'): string => {
    const values = table.key.map(({ name, keyText }) => keyText ?? `r.${quoteIdentifier(name)}::text`);
    return `(SELECT '${rowId(index, '')}' || array_to_json(ARRAY[${values.join(', ')}])::text FROM (SELECT (${row}).*) AS r)`;
  };
  return `
    CREATE FUNCTION oracle.log_${index}() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      before text := CASE WHEN TG_OP <> 'INSERT' THEN ${key('OLD')} END;
      after text := CASE WHEN TG_OP <> 'DELETE' THEN ${key('NEW')} END;
      xid bigint := pg_current_xact_id()::text::bigint;
    BEGIN
      IF before = after THEN
        INSERT INTO oracle.changed (xid, id, op) VALUES (xid, after, 'U');
        RETURN NULL;
      END IF;
      IF before IS NOT NULL THEN INSERT INTO oracle.changed (xid, id, op) VALUES (xid, before, 'D'); END IF;
      IF after IS NOT NULL THEN INSERT INTO oracle.changed (xid, id, op) VALUES (xid, after, 'I'); END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER oracle_log AFTER INSERT OR UPDATE OR DELETE ON ${quoteTable(table)}
      FOR EACH ROW EXECUTE FUNCTION oracle.log_${index}();`;
}

/** One row for each transaction and key: the changes of the key in order, and the expected name for each. */
interface Told {
  readonly xid: string;
  readonly id: string;
  readonly told: string;
}

/** The rule, as SQL on the source: the last message before the change, or else the first of the transaction. */
const EXPECTED_SQL = `
  SELECT c.xid, c.id, string_agg(concat(c.op, ' ', coalesce(
           (SELECT s.who FROM oracle.said AS s WHERE s.xid = c.xid AND s.n < c.n ORDER BY s.n DESC LIMIT 1),
           (SELECT s.who FROM oracle.said AS s WHERE s.xid = c.xid ORDER BY s.n LIMIT 1))), ', ' ORDER BY c.n) AS told
    FROM oracle.changed AS c GROUP BY c.xid, c.id`;

/** Compares the name of every change that the node has stored. Throws at the first difference. @returns how many were compared */
export async function compareContexts(options: {
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly node: string;
  readonly tables: readonly OracleTable[];
}): Promise<number> {
  const { source, store, node, tables } = options;
  await source.query(
    'ANALYZE oracle.said, oracle.changed; CREATE INDEX IF NOT EXISTS said_by_xid ON oracle.said (xid, n)',
  );
  const expected = await source.query<Told>(EXPECTED_SQL);
  const byChange = new Map(expected.rows.map(({ xid, id, told }) => [`${xid} ${id}`, told]));
  const found = await store.query<Told>(
    `SELECT d.xid, k.place || ' ' || k.pk AS id,
            string_agg(concat(d.op, ' ', d.context #>> '{}'), ', ' ORDER BY d.lsn, d.seq) AS told
       FROM (SELECT DISTINCT t.place - 1 AS place, r.schema_name, r.table_name, r.pk_columns, c.pk
               FROM pgtimewarp.row_changes AS c
               JOIN pgtimewarp.tracked_relations AS r USING (relation_id)
               JOIN unnest($2::text[]) WITH ORDINALITY AS t (name, place) ON t.name = r.schema_name || '.' || r.table_name
              WHERE r.node_id = $1::text) AS k,
            pgtimewarp.diff_changes($1, k.schema_name, k.table_name,
              (SELECT jsonb_object_agg(name, value)
                 FROM ROWS FROM (unnest(k.pk_columns), json_array_elements_text(k.pk::json)) AS p (name, value)),
              NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) AS d
      WHERE d.op IN ('I', 'U', 'D') AND d.xid IS NOT NULL
      GROUP BY d.xid, k.place, k.pk`,
    [node, tables.map(storedName)],
  );
  for (const { xid, id, told } of found.rows) {
    const wanted = byChange.get(`${xid} ${id}`);
    if (told !== wanted)
      throw new Error(`${node}: ${id} in transaction ${xid} is told as ${told}; the source says ${wanted}`);
  }
  return found.rows.length;
}
