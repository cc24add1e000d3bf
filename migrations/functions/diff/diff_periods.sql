-- The periods that a question about (from, to] touches, with the positions in each between which its changes lie.
-- Neither time nor LSN: from the start of tracking, to the horizon. An LSN belongs to the node's present LSN space.
CREATE OR REPLACE FUNCTION pgtimewarp.diff_periods(
  p_node_id text, p_schema text, p_table text,
  p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn)
RETURNS TABLE (
  period pgtimewarp.relation_periods, starts_inside boolean, lower_lsn pg_lsn, upper_lsn pg_lsn,
  through pg_lsn, is_open boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT p, (b.from_lsn IS NULL OR b.from_lsn < p.tracked_from_lsn) AND x.expired_before_lsn IS NULL,
         greatest(b.from_lsn, p.tracked_from_lsn, x.expired_before_lsn),
         least(b.to_lsn, b.through), b.through, b.is_open
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
   CROSS JOIN LATERAL (SELECT p.tracked_to_lsn IS NULL AND p.lsn_space = c.lsn_space AS is_open) o
   CROSS JOIN LATERAL (
         SELECT o.is_open, CASE WHEN o.is_open THEN c.applied_lsn ELSE p.tracked_to_lsn END AS through,
                CASE WHEN p_from_lsn IS NOT NULL THEN
                       CASE WHEN p.lsn_space = c.lsn_space THEN p_from_lsn ELSE 'FFFFFFFF/FFFFFFFF' END
                     -- the map may have no entry as late as the start of tracking: it forgets horizons of earlier runs
                     WHEN p_from_ts >= p.tracked_from_ts THEN
                       greatest(p.tracked_from_lsn, (
                         SELECT m.lsn FROM pgtimewarp.lsn_time_map m
                          WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.ts <= p_from_ts
                          ORDER BY m.ts DESC, m.lsn DESC LIMIT 1)) END AS from_lsn,
                CASE WHEN p_to_lsn IS NOT NULL AND p.lsn_space = c.lsn_space THEN p_to_lsn
                     WHEN p_to_ts <= coalesce(p.tracked_to_ts, c.applied_ts) THEN
                       greatest(p.tracked_from_lsn, (
                         SELECT m.lsn FROM pgtimewarp.lsn_time_map m
                          WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.ts <= p_to_ts
                          ORDER BY m.ts DESC, m.lsn DESC LIMIT 1))
                     WHEN p_to_ts IS NULL THEN -- up to the horizon
                       (SELECT min(m.lsn) - 1 FROM pgtimewarp.lsn_time_map m
                         WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.ts > c.applied_ts)
                     ELSE 'FFFFFFFF/FFFFFFFF' END AS to_lsn) b
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
     AND p.tracked_from_lsn IS NOT NULL AND x.is_dropped IS NOT TRUE
     AND (p_to_ts IS NULL OR p.tracked_from_ts <= p_to_ts)
     AND (p_to_lsn IS NULL OR (p.lsn_space, p.tracked_from_lsn) <= (c.lsn_space, p_to_lsn))
     AND (p_from_ts IS NULL OR p.tracked_to_ts IS NULL OR p.tracked_to_ts >= p_from_ts)
     AND (p_from_lsn IS NULL OR p.lsn_space = c.lsn_space AND (p.tracked_to_lsn IS NULL OR p.tracked_to_lsn >= p_from_lsn))
$$;

REVOKE ALL ON FUNCTION pgtimewarp.diff_periods(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.diff_periods(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
