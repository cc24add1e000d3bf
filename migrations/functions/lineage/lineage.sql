-- The lineage of a node: all nodes on the same server and timeline, including this one.
CREATE OR REPLACE FUNCTION pgtimewarp.lineage(p_node_id text)
RETURNS TABLE (node_id text, lsn_space int, applied_lsn pg_lsn, applied_ts timestamptz)
LANGUAGE sql STABLE ROWS 2 AS $$
  SELECT c.node_id, c.lsn_space, c.applied_lsn, c.applied_ts
    FROM pgtimewarp.nodes own
    JOIN pgtimewarp.nodes n ON n.system_identifier = own.system_identifier AND n.timeline = own.timeline
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = n.node_id
   WHERE own.node_id = p_node_id
     -- leaves out a node that a wrong clock has put into the future, so that a new node can begin (see trusted-clock.ts)
     AND (c.node_id = p_node_id OR c.applied_ts <= clock_timestamp() + interval '60 seconds')
$$;

REVOKE ALL ON FUNCTION pgtimewarp.lineage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.lineage(text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
