-- What frames an answer about an interval of a table: its ends as times, the horizon, the intervals inside of which changes may be
-- missing ([{"from", "to", "reason"}]), and whether all of it is final: then the position of its end is (see position_at()), and
-- so is what the caller adds: p_holes, which concern only what it asks about, and p_settled, whether that stays so. It reads no changes.
CREATE OR REPLACE FUNCTION pgtimewarp.window_frame(
  p_node_id text, p_schema text, p_table text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_holes pgtimewarp.hole[], p_settled boolean)
RETURNS TABLE (from_ts timestamptz, to_ts timestamptz, horizon_lsn pg_lsn, horizon_ts timestamptz, unknown json, final boolean)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  ends record;
  from_at pgtimewarp.history_position;
  to_at pgtimewarp.history_position;
  first_ts timestamptz;
  from_moment record; -- of ends that are positions
  to_moment record;
  until timestamptz;  -- up to which intervals count, without it if the end is a position between two moments
  asked tstzrange;
  holes pgtimewarp.hole[] := p_holes;
BEGIN
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  from_at := ends.from_at; to_at := ends.to_at;
  horizon_lsn := to_at.horizon_lsn; horizon_ts := to_at.horizon_ts;
  SELECT min(p.tracked_from_ts) INTO first_ts FROM pgtimewarp.relation_periods p
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table;
  SELECT m.* INTO from_moment FROM pgtimewarp.moment_of(p_node_id, p_schema, p_table, from_at.lsn_space, p_from_lsn) AS m;
  SELECT m.* INTO to_moment FROM pgtimewarp.moment_of(p_node_id, p_schema, p_table, to_at.lsn_space, p_to_lsn) AS m;
  from_ts := CASE WHEN p_from_lsn IS NULL THEN coalesce(p_from_ts, first_ts) ELSE from_moment.at_ts END;
  to_ts := CASE WHEN p_to_lsn IS NULL THEN coalesce(p_to_ts, greatest(horizon_ts, from_ts)) ELSE to_moment.at_ts END;
  until := CASE WHEN p_to_lsn IS NULL OR to_moment.is_exact THEN to_ts ELSE to_moment.next_ts END;
  IF from_ts > until AND (p_from_ts IS NOT NULL OR p_from_lsn IS NOT NULL) OR p_from_lsn > p_to_lsn THEN
    RAISE EXCEPTION 'the interval ends before it begins' USING ERRCODE = 'TW004';
  END IF;
  asked := tstzrange(
    -- a position before every moment: everything before; an end before the start of tracking: that end
    CASE WHEN p_from_lsn IS NULL OR from_ts IS NOT NULL THEN least(from_ts, until) END, until,
    CASE WHEN p_from_lsn IS NOT NULL AND NOT from_moment.is_exact THEN '(' ELSE '[' END
    || CASE WHEN p_to_lsn IS NOT NULL AND NOT to_moment.is_exact THEN ')' ELSE ']' END);
  from_ts := least(from_ts, to_ts);

  -- Intervals without a running period.
  holes := holes || ROW(tstzrange('-infinity', first_ts, '[)'),
    CASE WHEN first_ts IS NULL THEN 'baseline_pending' ELSE 'before_tracking' END)::pgtimewarp.hole;
  holes := holes || ARRAY(
    SELECT ROW(tstzrange(b.tracked_to_ts, b.next_ts, '()'), 'in_gap')::pgtimewarp.hole
      FROM (SELECT p.tracked_to_ts, lead(p.tracked_from_ts) OVER (ORDER BY p.tracked_from_ts) AS next_ts
              FROM pgtimewarp.relation_periods p
             WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
               AND p.tracked_from_ts IS NOT NULL) b
     WHERE b.tracked_to_ts < b.next_ts OR b.tracked_to_ts IS NOT NULL AND b.next_ts IS NULL
    UNION ALL
    SELECT ROW(tstzrange(g.from_ts, g.to_ts, '()'), 'in_gap')::pgtimewarp.hole
      FROM pgtimewarp.history_gaps g
     WHERE g.node_id = p_node_id
       AND (g.relation_id IS NULL OR g.relation_id IN (
             SELECT p.relation_id FROM pgtimewarp.relation_periods p
              WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table)));
  -- The interval before the cutoff: see retention_advance().
  holes := holes || ARRAY(
    SELECT ROW(tstzrange(p.tracked_from_ts, least(x.expired_before_ts, p.tracked_to_ts), '[)'), 'expired')::pgtimewarp.hole
      FROM pgtimewarp.relation_periods p JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
     WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
       AND x.expired_before_ts IS NOT NULL);

  SELECT coalesce(json_agg(json_build_object('from', pgtimewarp.json_instant(lower(r))::json,
                                             'to', pgtimewarp.json_instant(upper(r))::json, 'reason', reason)
                           ORDER BY lower(r), reason), '[]')
    INTO unknown
    FROM (SELECT h.reason, unnest(range_agg(h.span * asked)) AS r
            FROM unnest(holes) h GROUP BY h.reason) merged;
  final := p_settled AND to_at.final;
  RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.window_frame(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, pgtimewarp.hole[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.window_frame(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, pgtimewarp.hole[], boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
