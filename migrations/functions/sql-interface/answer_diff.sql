-- Like answer_asof(), for {node, schema, table, pk, from, to}. The row at place 0 holds the frame and no change. Each other row
-- holds one change, in order.
CREATE OR REPLACE FUNCTION pgtimewarp.answer_diff()
RETURNS TABLE (question pgtimewarp.question[], place bigint, frame json, op text, valid_from_ts timestamptz,
               valid_from_lsn pg_lsn, xid bigint, row_data json, changed json, context json)
LANGUAGE plpgsql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
SET jit = off AS $$
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
  PERFORM pgtimewarp.refuse_other_table(node, schema_name, table_name, (q ->> 'relid')::oid);
  question := ARRAY[asked];
  RETURN QUERY
    WITH c AS MATERIALIZED (
      SELECT d.*, row_number() OVER () AS place
        FROM pgtimewarp.diff_changes(node, schema_name, table_name, pk, from_ts, NULL, to_ts, NULL, NULL, NULL, NULL, NULL) d)
    SELECT question, 0::bigint,
           json_build_object('unknown', f.unknown, 'final', f.final,
                             'horizon', pgtimewarp.json_instant(f.horizon_ts)::json,
                             'incomplete', ARRAY(SELECT DISTINCT unnest(c.incomplete) FROM c ORDER BY 1)),
           NULL::text, NULL::timestamptz, NULL::pg_lsn, NULL::bigint, NULL::json, NULL::json, NULL::json
      FROM pgtimewarp.diff_frame(node, schema_name, table_name, pk, from_ts, NULL, to_ts, NULL) f
     UNION ALL
    SELECT question, c.place, NULL, c.op, c.ts, c.lsn, c.xid, c.row_data, c.changed, c.context FROM c;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.answer_diff() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.answer_diff()
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
