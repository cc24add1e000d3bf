-- When the removal of a node was asked for last: a set-up that had begun before is not finished, however long it takes. The node
-- may not be known yet.
CREATE TABLE pgtimewarp.removals (
  node_id text PRIMARY KEY,
  asked_at timestamptz NOT NULL
);
GRANT SELECT ON pgtimewarp.removals TO pgtimewarp_reader;
GRANT SELECT, INSERT, UPDATE ON pgtimewarp.removals TO pgtimewarp_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.removals TO pgtimewarp_admin;
