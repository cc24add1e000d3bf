-- What the SQL functions on a source read, through postgres_fdw and in one read-only statement per question.
--
-- A foreign scan sends nothing but a SELECT with conditions on columns, so a question travels as such a condition:
-- `WHERE question = '{…}'`. The literal takes the column's type, question[], and reading it runs the CHECK of the domain,
-- which lays the question down for the functions under the view. The condition then holds for the answer to exactly
-- that question, and for nothing else. (docs/decisions/0013-questions-as-conditions.md)

-- Raised with a hint, since callers in SQL have no manual at hand.
CREATE OR REPLACE FUNCTION pgtimewarp.raise_not_tracked(p_node_id text, p_schema text, p_table text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id) THEN
    RAISE EXCEPTION 'the store has no node %', coalesce(p_node_id, 'NULL')
      USING ERRCODE = 'TW003', HINT = 'Run `pgtimewarp init --node NAME`, or see the names with `pgtimewarp status`.';
  END IF;
  RAISE EXCEPTION 'the table %.% is not tracked under node %', quote_ident(p_schema), quote_ident(p_table), p_node_id
    USING ERRCODE = 'TW001', HINT = 'Start with `pgtimewarp track TABLE`, or name the right node.';
END $$;

CREATE FUNCTION pgtimewarp.hear_question(p_question text) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM set_config('pgtimewarp.question', p_question, true);
  RETURN true;
END $$;

CREATE DOMAIN pgtimewarp.question AS text CHECK (pgtimewarp.hear_question(VALUE));
COMMENT ON DOMAIN pgtimewarp.question IS 'A question as JSON. Making a value of it asks the question.';

-- The question heard last in this transaction: {node, schema, table, pk, …}. No row when there was none.
CREATE VIEW pgtimewarp.heard_question AS
  SELECT ARRAY[q.text]::pgtimewarp.question[] AS question, q.text::jsonb AS doc
    FROM (SELECT current_setting('pgtimewarp.question', true) AS text OFFSET 0) q
   WHERE q.text <> '';

-- {…, ts | lsn, requested}. One row: the answer as the other ways of asking give it.
CREATE VIEW pgtimewarp.asof_answers AS
  SELECT q.question, a.answer
    FROM pgtimewarp.heard_question q
   CROSS JOIN LATERAL pgtimewarp.asof_answer(
           q.doc ->> 'node', q.doc ->> 'schema', q.doc ->> 'table', q.doc -> 'pk',
           (q.doc ->> 'ts')::timestamptz, (q.doc ->> 'lsn')::pg_lsn, q.doc ->> 'requested') a;

-- {…, from, to}. The row at place 0 has the frame and no change, the others have one change each, in order.
CREATE VIEW pgtimewarp.diff_answers AS
  SELECT q.question, d.place, d.frame, d.op, d.valid_from_ts, d.valid_from_lsn, d.xid, d.row_data, d.changed, d.context
    FROM pgtimewarp.heard_question q
   CROSS JOIN LATERAL (
         SELECT q.doc ->> 'node' AS node, q.doc ->> 'schema' AS schema, q.doc ->> 'table' AS name, q.doc -> 'pk' AS pk,
                (q.doc ->> 'from')::timestamptz AS from_ts, (q.doc ->> 'to')::timestamptz AS to_ts) p
   CROSS JOIN LATERAL (
         SELECT 0 AS place, row_to_json(f) AS frame, NULL::text AS op, NULL::timestamptz AS valid_from_ts,
                NULL::pg_lsn AS valid_from_lsn, NULL::bigint AS xid, NULL::json AS row_data, NULL::json AS changed,
                NULL::json AS context
           FROM pgtimewarp.diff_frame(p.node, p.schema, p.name, p.pk, p.from_ts, NULL, p.to_ts, NULL) f
         UNION ALL
         SELECT c.ordinality, NULL, c.op, c.ts, c.lsn, c.xid, c.row_data, c.changed, c.context
           FROM pgtimewarp.diff_changes(p.node, p.schema, p.name, p.pk, p.from_ts, NULL, p.to_ts, NULL,
                  NULL, NULL, NULL, NULL) WITH ORDINALITY c) d;

CREATE VIEW pgtimewarp.node_status AS
  SELECT n.node_id, n.status, n.status_reason, c.applied_lsn AS horizon_lsn, c.applied_ts AS horizon_ts, c.caught_up,
         c.last_run_at,
         (SELECT count(*) FROM pgtimewarp.tracked_relations t
           WHERE t.node_id = n.node_id AND t.status <> 'untracked') AS tables,
         (SELECT count(*) FROM pgtimewarp.history_gaps g WHERE g.node_id = n.node_id AND g.to_lsn IS NULL) AS open_gaps
    FROM pgtimewarp.nodes n
    LEFT JOIN pgtimewarp.wal_checkpoints c ON c.node_id = n.node_id;

-- Raised when one of the views above changes in a way that functions on a source notice.
CREATE VIEW pgtimewarp.sql_interface AS SELECT 1 AS version;

GRANT SELECT ON pgtimewarp.heard_question, pgtimewarp.asof_answers, pgtimewarp.diff_answers, pgtimewarp.node_status,
                pgtimewarp.sql_interface
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
REVOKE ALL ON FUNCTION pgtimewarp.hear_question(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.hear_question(text) TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
