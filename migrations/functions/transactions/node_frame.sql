-- The frame of an answer about several tables of a node: table_frame() of each, where each interval names its tables
-- ([{"from", "to", "reason", "tables"}]). p_schema, p_table: only this table. p_only: only these tables, see is_one_of().
CREATE OR REPLACE FUNCTION pgtimewarp.node_frame(
  p_node_id text, p_schema text, p_table text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_only jsonb DEFAULT NULL)
RETURNS TABLE (from_ts timestamptz, to_ts timestamptz, horizon_lsn pg_lsn, horizon_ts timestamptz, unknown json, final boolean)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  IF p_table IS NOT NULL OR NOT EXISTS (SELECT FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id) THEN
    PERFORM pgtimewarp.position_at(p_node_id, coalesce(p_schema, ''), coalesce(p_table, ''), NULL, NULL); -- raises an error if the node or the table is not there
  END IF;
  SELECT c.applied_lsn, c.applied_ts INTO horizon_lsn, horizon_ts FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id;
  WITH frames AS MATERIALIZED (
    SELECT t.schema_name, t.table_name, f.*
      FROM (SELECT DISTINCT p.schema_name, p.table_name FROM pgtimewarp.relation_periods p
             WHERE p.node_id = p_node_id
               AND (p_table IS NULL OR p.schema_name = p_schema AND p.table_name = p_table)
               AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_only)) AS t
     CROSS JOIN LATERAL pgtimewarp.table_frame(
           p_node_id, t.schema_name, t.table_name, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn) AS f),
  holes AS (
    SELECT h.hole ->> 'from' AS hole_from, h.hole ->> 'to' AS hole_to, h.hole ->> 'reason' AS reason,
           json_agg(json_build_object('schema', f.schema_name, 'table', f.table_name) ORDER BY f.schema_name, f.table_name) AS tables
      FROM frames AS f, json_array_elements(f.unknown) AS h (hole)
     GROUP BY 1, 2, 3)
  SELECT min(f.from_ts), max(f.to_ts), coalesce(bool_and(f.final), false), coalesce((
           SELECT json_agg(json_build_object('from', h.hole_from, 'to', h.hole_to, 'reason', h.reason, 'tables', h.tables)
                           ORDER BY h.hole_from NULLS FIRST, h.reason) FROM holes AS h), '[]')
    INTO from_ts, to_ts, final, unknown
    FROM frames AS f;
  from_ts := coalesce(from_ts, p_from_ts);
  to_ts := coalesce(to_ts, p_to_ts, horizon_ts);
  RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.node_frame(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.node_frame(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, jsonb)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
