-- The versions of rows of a table that have values, in the order of keys: those that are valid at an instant (p_is_instant:
-- p_from, without an end), or at any moment between two. Of each version from when to when it was valid, the change included that ended it; NULL:
-- nothing has so far. Page by page: pass the place (relation_id, pk, lsn, seq) of the last row received; otherwise as
-- period_changes().
CREATE OR REPLACE FUNCTION pgtimewarp.find_rows(
  p_node_id text, p_schema text, p_table text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_is_instant boolean, p_where jsonb, p_after_relation_id int, p_after_pk text, p_after_lsn pg_lsn, p_after_seq int, p_limit int,
  p_max_bytes bigint)
RETURNS SETOF pgtimewarp.found_version
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ends record;
  place record;
  at pgtimewarp.history_position;
  found pgtimewarp.found_version;
  filters pgtimewarp.row_filter[];
  given int := 0;
  bytes bigint := 0;
BEGIN
  PERFORM pgtimewarp.refuse_other_cursor(p_node_id, p_schema, p_table, p_after_relation_id);
  IF p_is_instant THEN
    at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn);
    filters := pgtimewarp.row_filters(at.period, p_where, true);
    IF at.reason IS NOT NULL THEN
      RETURN;
    END IF;
    RETURN QUERY SELECT f.* FROM pgtimewarp.find_in_period(
      at.period, at.lsn, at.lsn, at.through, filters, p_after_pk, p_after_lsn, p_after_seq, p_limit, p_max_bytes) AS f;
    RETURN;
  END IF;
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn);
  PERFORM pgtimewarp.row_filters((ends.to_at).period, p_where, true);
  FOR place IN
    SELECT d.*, coalesce((d.period).relation_id = p_after_relation_id, false) AS resumed
      FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d
     WHERE p_after_relation_id IS NULL OR (d.period).relation_id >= p_after_relation_id
     ORDER BY (d.period).relation_id
  LOOP
    filters := pgtimewarp.row_filters(place.period, p_where, false);
    FOR found IN
      SELECT f.* FROM pgtimewarp.find_in_period(
        place.period, place.lower_lsn, place.upper_lsn, place.through, filters,
        CASE WHEN place.resumed THEN p_after_pk END, CASE WHEN place.resumed THEN p_after_lsn END,
        CASE WHEN place.resumed THEN p_after_seq END, p_limit - given, p_max_bytes - bytes) AS f
    LOOP
      RETURN NEXT found;
      given := given + 1;
      bytes := bytes + octet_length(found.row_data::text);
    END LOOP;
    IF given >= p_limit OR bytes > p_max_bytes THEN
      RETURN;
    END IF;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.find_rows(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, boolean, jsonb, int, text, pg_lsn, int, int, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.find_rows(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, boolean, jsonb, int, text, pg_lsn, int, int, bigint)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
