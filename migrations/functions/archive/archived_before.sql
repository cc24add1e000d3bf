-- The cutoff of a period, if what is known at a position needs changes that only the archive has; otherwise NULL. Without a commit,
-- or another moment of the table, between the position and the cutoff the state at both is the same, and the store has it.
CREATE OR REPLACE FUNCTION pgtimewarp.archived_before(p_period pgtimewarp.relation_periods, p_lsn pg_lsn) RETURNS pg_lsn
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT a.before_lsn
    FROM pgtimewarp.archive_cutoffs AS a
   WHERE a.relation_id = p_period.relation_id AND p_lsn + 1 < a.before_lsn
     AND (EXISTS (SELECT FROM pgtimewarp.lsn_time_map AS m
                   WHERE m.node_id = p_period.node_id AND m.lsn_space = p_period.lsn_space
                     AND m.lsn > p_lsn AND m.lsn < a.before_lsn)
          OR p_period.tracked_from_lsn > p_lsn
          OR EXISTS (SELECT FROM pgtimewarp.history_gaps AS g
                      WHERE g.node_id = p_period.node_id AND (g.relation_id IS NULL OR g.relation_id = p_period.relation_id)
                        AND g.lsn_space = p_period.lsn_space AND g.to_lsn > p_lsn AND g.to_lsn < a.before_lsn))
$$;

REVOKE ALL ON FUNCTION pgtimewarp.archived_before(pgtimewarp.relation_periods, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.archived_before(pgtimewarp.relation_periods, pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
