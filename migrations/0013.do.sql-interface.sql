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

-- An escape that a JSON text does not hold, to stand for \u0000 while JSON functions are at work, which refuse that.
-- \u0000 itself where that does not occur.
CREATE FUNCTION pgtimewarp.json_stand_in(p_json text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF position('\u0000' IN p_json) > 0 THEN
    FOR code IN 1 .. 31 LOOP
      IF position('\u00' || lpad(to_hex(code), 2, '0') IN lower(p_json)) = 0 THEN
        RETURN '\u00' || lpad(to_hex(code), 2, '0');
      END IF;
    END LOOP;
  END IF;
  RETURN '\u0000';
END $$;

-- As before, and for rows that hold \u0000.
CREATE OR REPLACE FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[])
RETURNS json
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stand_in text := pgtimewarp.json_stand_in(concat(p_old, p_new));
  members text;
BEGIN
  SELECT string_agg(
           to_json(coalesce(n.key, o.key)) || ':{'
           || concat_ws(',', '"from":' || o.value::text, '"to":' || n.value::text) || '}',
           ',' ORDER BY n.ordinality, o.ordinality)
    INTO members
    FROM json_each(replace(p_old::text, '\u0000', stand_in)::json) WITH ORDINALITY o
    FULL JOIN json_each(replace(p_new::text, '\u0000', stand_in)::json) WITH ORDINALITY n ON n.key = o.key
   WHERE o.value::text IS DISTINCT FROM n.value::text
         -- JSON null and SQL NULL have one text
      OR coalesce(o.key = ANY (p_old_nulls), false) <> coalesce(n.key = ANY (p_new_nulls), false);
  RETURN replace('{' || coalesce(members, '') || '}', stand_in, '\u0000');
END $$;

-- Nothing is ever stored as this type: only literals of conditions become it.
CREATE DOMAIN pgtimewarp.question AS text
  CHECK (pg_catalog.set_config('pgtimewarp.question', VALUE, true) IS NOT NULL);
COMMENT ON DOMAIN pgtimewarp.question IS 'A question as JSON. Making a value of it asks the question.';

-- The answer to the question laid down last, {node, schema, table, pk, ts | lsn, requested}; nothing when there is none.
CREATE FUNCTION pgtimewarp.answer_asof() RETURNS TABLE (question pgtimewarp.question[], answer json)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
BEGIN
  IF asked IS NOT NULL THEN
    RETURN QUERY
      SELECT ARRAY[asked]::pgtimewarp.question[], a.answer
        FROM pgtimewarp.asof_answer(
               q ->> 'node', q ->> 'schema', q ->> 'table', q -> 'pk', (q ->> 'ts')::timestamptz, (q ->> 'lsn')::pg_lsn,
               q ->> 'requested') a;
  END IF;
END $$;

-- As above, {node, schema, table, pk, from, to}. The row at place 0 has the frame and no change, the others have one
-- change each, in order.
CREATE FUNCTION pgtimewarp.answer_diff()
RETURNS TABLE (question pgtimewarp.question[], place bigint, frame json, op text, valid_from_ts timestamptz,
               valid_from_lsn pg_lsn, xid bigint, row_data json, changed json, context json)
LANGUAGE plpgsql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  schema_name text := q ->> 'schema';
  table_name text := q ->> 'table';
  pk jsonb := q -> 'pk';
  from_ts timestamptz := q ->> 'from';
  to_ts timestamptz := q ->> 'to';
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  question := ARRAY[asked];
  RETURN QUERY
    SELECT question, 0::bigint,
           json_build_object('unknown', f.unknown, 'final', f.final,
                             'horizon', pgtimewarp.json_instant(f.horizon_ts)::json),
           NULL::text, NULL::timestamptz, NULL::pg_lsn, NULL::bigint, NULL::json, NULL::json, NULL::json
      FROM pgtimewarp.diff_frame(node, schema_name, table_name, pk, from_ts, NULL, to_ts, NULL) f
     UNION ALL
    SELECT question, c.ordinality, NULL, c.op, c.ts, c.lsn, c.xid, c.row_data, c.changed, c.context
      FROM pgtimewarp.diff_changes(node, schema_name, table_name, pk, from_ts, NULL, to_ts, NULL, NULL, NULL, NULL, NULL)
           WITH ORDINALITY c;
END $$;

CREATE VIEW pgtimewarp.asof_answers AS
  SELECT a.question, a.answer FROM pgtimewarp.answer_asof() a;

CREATE VIEW pgtimewarp.diff_answers AS
  SELECT d.question, d.place, d.frame, d.op, d.valid_from_ts, d.valid_from_lsn, d.xid, d.row_data, d.changed, d.context
    FROM pgtimewarp.answer_diff() d;

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

GRANT SELECT ON pgtimewarp.asof_answers, pgtimewarp.diff_answers, pgtimewarp.node_status, pgtimewarp.sql_interface
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
REVOKE ALL ON FUNCTION pgtimewarp.json_stand_in(text), pgtimewarp.answer_asof(), pgtimewarp.answer_diff() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_stand_in(text), pgtimewarp.answer_asof(), pgtimewarp.answer_diff()
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
