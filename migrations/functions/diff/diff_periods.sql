-- The periods of a table that (from, to] touches, each with the two positions between which its changes lie. diff_positions()
-- gives the ends. starts_inside: the period begins after `from`, so its baseline rows are changes, too.
-- Called by functions that have set search_path. It has no SET clause of its own, because that would prevent inlining.
CREATE OR REPLACE FUNCTION pgtimewarp.diff_periods(
  p_from pgtimewarp.history_position, p_to pgtimewarp.history_position)
RETURNS TABLE (
  period pgtimewarp.relation_periods, starts_inside boolean, lower_lsn pg_lsn, upper_lsn pg_lsn,
  through pg_lsn, is_open boolean)
LANGUAGE sql STABLE ROWS 2 AS $$
  SELECT p, NOT e.is_first AND x.expired_before_lsn IS NULL,
         greatest(p.tracked_from_lsn, x.expired_before_lsn, CASE WHEN e.is_first THEN
           coalesce((p_from).asked_lsn, CASE WHEN (p_from).lsn_space = p.lsn_space THEN (p_from).lsn END) END),
         CASE WHEN NOT e.is_last OR (p_to).asked_ts > p.tracked_to_ts THEN e.through
              WHEN (p_to).lsn_space = p.lsn_space THEN
                least(e.through, coalesce((p_to).asked_lsn, greatest(p.tracked_from_lsn, (p_to).lsn)))
              WHEN (p_to).asked_lsn IS NOT NULL THEN e.through -- the end lies in a later LSN space
              ELSE p.tracked_from_lsn END,
         e.through, e.is_last AND (p_to).is_open
    FROM pgtimewarp.relation_periods p
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
   CROSS JOIN LATERAL (
         SELECT coalesce((p_from).has_begun AND p.relation_id = ((p_from).period).relation_id, false) AS is_first,
                p.relation_id = ((p_to).period).relation_id AS is_last,
                -- a period with a successor has ended
                CASE WHEN p.relation_id = ((p_to).period).relation_id THEN (p_to).through ELSE p.tracked_to_lsn END AS through) e
   WHERE p.node_id = ((p_to).period).node_id AND p.schema_name = ((p_to).period).schema_name
     AND p.table_name = ((p_to).period).table_name
     AND (p_to).has_begun AND p.tracked_from_ts <= ((p_to).period).tracked_from_ts
     AND x.is_dropped IS NOT TRUE
     -- and has not ended before `from`
     AND ((p_from).asked_ts IS NULL OR p.tracked_to_ts IS NULL OR p.tracked_to_ts >= (p_from).asked_ts)
     AND ((p_from).asked_lsn IS NULL OR p.lsn_space = (p_from).lsn_space
          AND (p.tracked_to_lsn IS NULL OR p.tracked_to_lsn >= (p_from).asked_lsn))
$$;

REVOKE ALL ON FUNCTION pgtimewarp.diff_periods(pgtimewarp.history_position, pgtimewarp.history_position) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.diff_periods(pgtimewarp.history_position, pgtimewarp.history_position)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
