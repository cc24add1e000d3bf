-- The columns whose values are not known of the row before or after a change.
CREATE OR REPLACE FUNCTION pgtimewarp.incomplete_of_change(p_relation_id int, p_ts timestamptz, p_before text[], p_after text[])
RETURNS text[]
LANGUAGE sql STABLE AS $$
  SELECT pgtimewarp.incomplete_at(p_relation_id, nullif(ARRAY(
    SELECT u.name FROM unnest(p_before || p_after) AS u (name) GROUP BY u.name ORDER BY min(array_position(p_before || p_after, u.name))), '{}'), NULL, p_ts)
$$;

REVOKE ALL ON FUNCTION pgtimewarp.incomplete_of_change(int, timestamptz, text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.incomplete_of_change(int, timestamptz, text[], text[])
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
