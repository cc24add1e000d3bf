-- The columns that a row lacks at an instant (an LSN, or else a time): those that the plugin lost, and virtual columns.
CREATE OR REPLACE FUNCTION pgtimewarp.incomplete_at(p_relation_id int, p_incomplete text[], p_lsn pg_lsn, p_ts timestamptz)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT nullif(coalesce(p_incomplete, '{}') || ARRAY(
    SELECT DISTINCT v.column_name
      FROM pgtimewarp.virtual_columns v
     WHERE v.relation_id = p_relation_id AND (v.column_name = ANY (p_incomplete)) IS NOT TRUE
       AND CASE WHEN p_lsn IS NOT NULL THEN v.from_lsn < p_lsn AND (v.to_lsn IS NULL OR p_lsn <= v.to_lsn)
                ELSE v.from_ts < p_ts AND (v.to_ts IS NULL OR p_ts <= v.to_ts) END
     ORDER BY 1), '{}')
$$;

REVOKE ALL ON FUNCTION pgtimewarp.incomplete_at(int, text[], pg_lsn, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.incomplete_at(int, text[], pg_lsn, timestamptz)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
