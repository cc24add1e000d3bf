-- The requests of deployments (CloudFormation's custom resource) in the order in which they came: a newer one takes the place of an
-- older one that is still at work, and one that is delivered again gets the answer that it was given.
CREATE TABLE pgtimewarp.deployment_requests (
  arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  deployment text NOT NULL,
  request_id text NOT NULL,
  arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  answer jsonb, -- null: not answered yet
  CONSTRAINT deployment_requests_key UNIQUE (deployment, request_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.deployment_requests TO pgtimewarp_admin;

-- A session of another login shows no xmin to whoever is no member of pg_read_all_stats: then it counts while it is in a transaction.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_seen_by_all(p_xid xid8) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT NOT EXISTS (
           SELECT FROM pg_stat_activity a
            WHERE a.pid <> pg_backend_pid() AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
              AND (a.datid IS NULL OR a.datname = current_database())
              AND (age(a.backend_xmin) >= age(p_xid::xid)
                   OR a.state_change IS NULL AND a.backend_type IS NULL AND EXISTS (
                        SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted)))
     AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE age(s.xmin) >= age(p_xid::xid))
$$;
