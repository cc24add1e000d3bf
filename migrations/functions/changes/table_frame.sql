-- The frame of an answer about all rows of a table: window_frame(), and the beginning of each period, in which not every row is known.
-- That is while the baseline is read (baseline_pending), as long as there is none (before_tracking), and between the start of
-- tracking and the last reading if rows were changed or removed before they were read (before_tracking). It needs nothing of the archive.
CREATE OR REPLACE FUNCTION pgtimewarp.table_frame(
  p_node_id text, p_schema text, p_table text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn)
RETURNS TABLE (from_ts timestamptz, to_ts timestamptz, horizon_lsn pg_lsn, horizon_ts timestamptz, unknown json, final boolean)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  ends record;
  place record;
  period pgtimewarp.relation_periods;
  holes pgtimewarp.hole[] := '{}';
  settled boolean := true;
  reason text;
  is_changed boolean;
  read_ts timestamptz;
BEGIN
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d
  LOOP
    period := place.period;
    reason := NULL; read_ts := NULL;
    IF period.baseline_state = 'pending' AND place.is_open THEN
      reason := 'baseline_pending'; settled := false;
    ELSIF period.baseline_state <> 'done' THEN
      reason := 'before_tracking';
    ELSIF period.baseline_lsn > period.tracked_from_lsn THEN
      is_changed := (SELECT a.has_changed FROM pgtimewarp.archive_cutoffs AS a WHERE a.relation_id = period.relation_id);
      IF is_changed IS NULL THEN
        EXECUTE format(
          'SELECT EXISTS (SELECT FROM pgtimewarp.row_changes AS r
                           WHERE r.relation_id = %s AND r.valid_from_lsn > $1 AND r.valid_from_lsn <= $2 AND r.op IN (''U'', ''D''))',
          period.relation_id) INTO is_changed USING period.tracked_from_lsn, period.baseline_lsn;
      END IF;
      IF is_changed OR period.unseen_unknown_before_lsn IS NOT NULL THEN
        reason := 'before_tracking';
        read_ts := greatest(
          pgtimewarp.time_at(p_node_id, period.lsn_space, period.baseline_lsn), period.unseen_unknown_before_ts);
      END IF;
    END IF;
    IF reason IS NOT NULL THEN
      holes := holes || ROW(tstzrange(period.tracked_from_ts, coalesce(read_ts, period.tracked_to_ts), '[)'), reason)::pgtimewarp.hole;
    END IF;
  END LOOP;
  RETURN QUERY
    SELECT f.* FROM pgtimewarp.window_frame(
      p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, holes, settled) AS f;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.table_frame(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.table_frame(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
