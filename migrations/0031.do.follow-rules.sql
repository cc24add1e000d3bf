-- Rules by which runs begin to track tables that are made later: every table that matches the pattern and was never tracked.
CREATE TABLE pgtimewarp.follow_rules (
  node_id text NOT NULL REFERENCES pgtimewarp.nodes,
  pattern text NOT NULL, -- as core/pg/table-pattern.ts writes it
  retention interval, -- NULL: the node's
  excluded_columns text[] NOT NULL DEFAULT '{}', -- left out of the tables that have them
  baseline boolean NOT NULL DEFAULT true,
  no_nan boolean NOT NULL DEFAULT false,
  not_tracked jsonb NOT NULL DEFAULT '[]', -- [{"table", "reason"}]: what matches and cannot be tracked, as of the last run
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, pattern)
);
GRANT SELECT ON pgtimewarp.follow_rules TO pgtimewarp_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.follow_rules TO pgtimewarp_writer, pgtimewarp_admin;
