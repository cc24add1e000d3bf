-- The TRUNCATEs after a version, of the table or of the version's partition. The first of them closes the version. A row that was
-- read (S) sorts after every event at its position; p_seq is the version's place in its transaction. With p_op NULL: the TRUNCATEs
-- after a position. It is STABLE and has no SET clause, so that the planner can inline it.
CREATE OR REPLACE FUNCTION pgtimewarp.truncates_after(
  p_relation_id int, p_lsn pg_lsn, p_seq int, p_op "char", p_leaf_id int)
RETURNS SETOF pgtimewarp.relation_events
LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT e.*
    FROM pgtimewarp.relation_events AS e
   WHERE e.relation_id = p_relation_id AND e.op = 'T'
     AND (e.lsn, e.seq) > (p_lsn, CASE WHEN p_op <> 'S' THEN p_seq ELSE 2147483647 END)
     AND (e.leaf_id IS NULL OR e.leaf_id = p_leaf_id)
$$;

REVOKE ALL ON FUNCTION pgtimewarp.truncates_after(int, pg_lsn, int, "char", int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.truncates_after(int, pg_lsn, int, "char", int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
