-- The versions of rows of a table that have values, in the order of keys: those that are valid at an instant (p_is_instant:
-- p_from, without an end), or at any moment between two. Of each version from when to when it was valid, the change included that ended it; NULL:
-- nothing has so far. Page by page: pass the place (relation_id, pk, lsn, seq) of the last row received; otherwise as
-- period_changes().
--
-- If only the archive has the instant or the beginning, p_archived must have the versions of the keys from p_after_pk on
-- (archived_part()); the answer ends with the last key of this part.
CREATE OR REPLACE FUNCTION pgtimewarp.find_rows(
  p_node_id text, p_schema text, p_table text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_is_instant boolean, p_where jsonb, p_after_relation_id int, p_after_pk text, p_after_lsn pg_lsn, p_after_seq int, p_limit int,
  p_max_bytes bigint, p_archived json DEFAULT NULL)
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
  part json;
  -- see find_in_period()
  after_key text := coalesce(CASE WHEN p_after_lsn IS NULL THEN p_after_pk ELSE left(p_after_pk, -1) END, '');
BEGIN
  PERFORM pgtimewarp.refuse_other_cursor(p_node_id, p_schema, p_table, p_after_relation_id);
  IF p_is_instant THEN
    at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, true);
    filters := pgtimewarp.row_filters(at.period, p_where, true);
    IF at.reason IS NOT NULL THEN
      RETURN;
    END IF;
    part := pgtimewarp.archived_part(p_archived, at.period, at.archived_before_lsn, at.lsn, at.lsn, 'versions', after_key);
    RETURN QUERY SELECT f.* FROM pgtimewarp.find_in_period(
      at.period, at.lsn, at.lsn, at.through, filters, p_after_pk, p_after_lsn, p_after_seq, p_limit, p_max_bytes, part) AS f;
    RETURN;
  END IF;
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  PERFORM pgtimewarp.row_filters((ends.to_at).period, p_where, true);
  FOR place IN
    SELECT d.*, coalesce((d.period).relation_id = p_after_relation_id, false) AS resumed
      FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d
     WHERE p_after_relation_id IS NULL OR (d.period).relation_id >= p_after_relation_id
     ORDER BY (d.period).relation_id
  LOOP
    filters := pgtimewarp.row_filters(place.period, p_where, false);
    part := pgtimewarp.archived_part(
      p_archived, place.period, pgtimewarp.archived_before(place.period, place.lower_lsn), place.lower_lsn, place.upper_lsn, 'versions',
      CASE WHEN place.resumed THEN after_key ELSE '' END);
    FOR found IN
      SELECT f.* FROM pgtimewarp.find_in_period(
        place.period, place.lower_lsn, place.upper_lsn, place.through, filters,
        CASE WHEN place.resumed THEN p_after_pk END, CASE WHEN place.resumed THEN p_after_lsn END,
        CASE WHEN place.resumed THEN p_after_seq END, p_limit - given, p_max_bytes - bytes, part) AS f
    LOOP
      RETURN NEXT found;
      given := given + 1;
      bytes := bytes + octet_length(found.row_data::text);
    END LOOP;
    IF given >= p_limit OR bytes > p_max_bytes OR part -> 'keys' ->> 'upto' IS NOT NULL THEN
      RETURN;
    END IF;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.find_rows(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, boolean, jsonb, int, text, pg_lsn, int, int, bigint, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.find_rows(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, boolean, jsonb, int, text, pg_lsn, int, int, bigint, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
