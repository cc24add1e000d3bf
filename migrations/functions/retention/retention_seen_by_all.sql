-- Whether every snapshot on this server, or reported by a standby, sees a committed transaction. Without pg_read_all_stats a role
-- cannot see the xmin of another login's session, so such a session counts as older while it is in a transaction.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_seen_by_all(p_xid xid8) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT NOT EXISTS (
           SELECT FROM pg_stat_activity a
            WHERE a.pid <> pg_backend_pid() AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
              AND (a.datid IS NULL OR a.datname = current_database())
              AND (age(a.backend_xmin) >= age(p_xid::xid)
                   OR a.state_change IS NULL AND a.backend_type IS NULL AND EXISTS (
                        SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted)))
     AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE age(s.xmin) >= age(p_xid::xid))
$$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_seen_by_all(xid8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_seen_by_all(xid8)
   TO pgtimewarp_writer, pgtimewarp_admin;
