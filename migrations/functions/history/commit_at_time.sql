-- The last commit, or horizon, at or before a time: in this LSN space or, without one, in any. Of commits with the same time it
-- returns the last one. No row: the time map does not reach back that far.
-- It is STABLE and has no SET clause, so that the planner can inline it.
CREATE OR REPLACE FUNCTION pgtimewarp.commit_at_time(p_node_id text, p_space int, p_ts timestamptz)
RETURNS TABLE (lsn_space int, lsn pg_lsn, ts timestamptz)
LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT m.lsn_space, m.lsn, m.ts
    FROM pgtimewarp.lsn_time_map AS m
   WHERE m.node_id = p_node_id AND (p_space IS NULL OR m.lsn_space = p_space) AND m.ts <= p_ts
   ORDER BY m.ts DESC, m.lsn_space DESC, m.lsn DESC LIMIT 1
$$;

REVOKE ALL ON FUNCTION pgtimewarp.commit_at_time(text, int, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.commit_at_time(text, int, timestamptz)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
