-- What frames a diff: window_frame() with what concerns its key: where the key is unknown at the beginning of a period, and whether
-- what is known of it there is final. is_archived: the answer needs p_archived, the changes that are in the archive (archived_part()).
CREATE OR REPLACE FUNCTION pgtimewarp.diff_frame(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_archived json DEFAULT NULL) RETURNS TABLE(from_ts timestamp with time zone, to_ts timestamp with time zone, horizon_lsn pg_lsn, horizon_ts timestamp with time zone, unknown json, final boolean, is_archived boolean)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
  ends record;
  place record;
  period pgtimewarp.relation_periods;
  state pgtimewarp.key_state;
  key text;
  can_be boolean := false;
  settled boolean := true;
  holes pgtimewarp.hole[] := '{}';
  part json;
  any_part boolean := false;
BEGIN
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_archived);
  -- A key is refused if it could not be one in any period, whether in the interval or not: the type of the key may have changed.
  FOR period IN
    SELECT p.* FROM pgtimewarp.relation_periods p
     WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
  LOOP
    can_be := pgtimewarp.canonical_key(period.pk_columns, period.pk_kinds, p_pk, false) IS NOT NULL OR can_be;
  END LOOP;
  IF NOT can_be THEN
    PERFORM pgtimewarp.canonical_key((ends.to_at).period.pk_columns, (ends.to_at).period.pk_kinds, p_pk);
  END IF;
  -- Intervals at the beginning of a period in which the key is unknown.
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) d
  LOOP
    period := place.period;
    key := pgtimewarp.canonical_key(period.pk_columns, period.pk_kinds, p_pk, false);
    CONTINUE WHEN key IS NULL;
    part := pgtimewarp.archived_part(
      p_archived, period, pgtimewarp.archived_before(period, place.lower_lsn), place.lower_lsn, place.upper_lsn);
    any_part := any_part OR part IS NOT NULL;
    state := pgtimewarp.version_at(period, key, place.lower_lsn, 2147483647, place.through, place.is_open, part);
    settled := settled AND state.settled;
    IF state.status = 'unknown' THEN
      holes := holes || ROW(
        tstzrange(period.tracked_from_ts, coalesce(state.to_ts, period.tracked_to_ts), '[)'), state.reason)::pgtimewarp.hole;
    END IF;
  END LOOP;
  RETURN QUERY
    SELECT f.*, any_part FROM pgtimewarp.window_frame(
      p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, holes, settled) AS f;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.diff_frame(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.diff_frame(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
