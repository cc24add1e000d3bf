-- Locks the lineage: until the end of the transaction no other node defines times. Returns the marks after it has the lock.
CREATE OR REPLACE FUNCTION pgtimewarp.lock_lineage(p_node_id text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(1885828204, hashtext(concat(n.system_identifier, ' ', n.timeline)))
     FROM pgtimewarp.nodes n WHERE n.node_id = p_node_id;
  RETURN pgtimewarp.lineage_marks(p_node_id); -- sees commits of others from while this waited
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.lock_lineage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.lock_lineage(text)
   TO pgtimewarp_writer, pgtimewarp_admin;
