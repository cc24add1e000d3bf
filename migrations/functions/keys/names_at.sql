-- The names that a column had in a row written at a position, as far as the row has them. Where that is not known: all its names.
CREATE OR REPLACE FUNCTION pgtimewarp.names_at(
  p_filter pgtimewarp.row_filter, p_row json, p_incomplete text[], p_lsn pg_lsn) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
  names text[];
BEGIN
  IF cardinality(p_filter.names) = 1 THEN
    RETURN p_filter.names;
  END IF;
  names := ARRAY(
    SELECT u.name FROM unnest(p_filter.names, p_filter.since, p_filter.until) AS u (name, since, until)
     WHERE u.since < p_lsn AND (u.until IS NULL OR p_lsn <= u.until)
       AND (pgtimewarp.json_has(p_row, u.name) OR u.name = ANY (p_incomplete)));
  RETURN CASE WHEN names = '{}' THEN p_filter.names ELSE names END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.names_at(pgtimewarp.row_filter, json, text[], pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.names_at(pgtimewarp.row_filter, json, text[], pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
