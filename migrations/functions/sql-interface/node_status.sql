-- One row per node: its horizon and its open gaps. A gap without an end time is open.
CREATE OR REPLACE VIEW pgtimewarp.node_status AS
  SELECT n.node_id, n.status, n.status_reason, c.applied_lsn AS horizon_lsn, c.applied_ts AS horizon_ts, c.caught_up, c.last_run_at,
         (SELECT count(*) FROM pgtimewarp.tracked_relations t WHERE t.node_id = n.node_id AND t.status <> 'untracked') AS tables,
         (SELECT count(*) FROM pgtimewarp.history_gaps g
           WHERE g.node_id = n.node_id AND g.to_ts IS NULL
             AND (g.relation_id IS NULL
                  OR EXISTS (SELECT FROM pgtimewarp.tracked_relations t
                              WHERE t.relation_id = g.relation_id AND t.status <> 'untracked'))) AS open_gaps
    FROM pgtimewarp.nodes n LEFT JOIN pgtimewarp.wal_checkpoints c ON c.node_id = n.node_id;

GRANT SELECT ON pgtimewarp.node_status TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
