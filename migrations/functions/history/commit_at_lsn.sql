-- The last commit, or horizon, at or before a position of an LSN space. No row: the time map does not reach back that far.
-- It is STABLE and has no SET clause, so that the planner can inline it.
CREATE OR REPLACE FUNCTION pgtimewarp.commit_at_lsn(p_node_id text, p_space int, p_lsn pg_lsn)
RETURNS TABLE (lsn_space int, lsn pg_lsn, ts timestamptz)
LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT m.lsn_space, m.lsn, m.ts
    FROM pgtimewarp.lsn_time_map AS m
   WHERE m.node_id = p_node_id AND m.lsn_space = p_space AND m.lsn <= p_lsn
   ORDER BY m.lsn DESC LIMIT 1
$$;

REVOKE ALL ON FUNCTION pgtimewarp.commit_at_lsn(text, int, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.commit_at_lsn(text, int, pg_lsn)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
