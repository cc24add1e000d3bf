CREATE TABLE pgtimewarp.follow_rules (
  node_id          text NOT NULL REFERENCES pgtimewarp.nodes,
  pattern          text NOT NULL,
  retention        interval,
  excluded_columns text[] NOT NULL DEFAULT '{}',
  baseline         boolean NOT NULL DEFAULT true,
  no_nan           boolean NOT NULL DEFAULT false,
  not_tracked      jsonb NOT NULL DEFAULT '[]',
  created_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, pattern)
);
COMMENT ON TABLE pgtimewarp.follow_rules IS 'Patterns by which runs begin to track tables that are made later: those that match and were never tracked.';
COMMENT ON COLUMN pgtimewarp.follow_rules.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.follow_rules.pattern IS 'As psql takes it, in one spelling (core/pg/table-pattern.ts).';
COMMENT ON COLUMN pgtimewarp.follow_rules.retention IS 'How long history of such a table is kept; NULL: as is usual for the node.';
COMMENT ON COLUMN pgtimewarp.follow_rules.excluded_columns IS 'Left out of the tables that have them.';
COMMENT ON COLUMN pgtimewarp.follow_rules.baseline IS 'Whether the rows that a table holds when it is found are read.';
COMMENT ON COLUMN pgtimewarp.follow_rules.no_nan IS 'Declared: numeric and float columns never hold NaN or infinity.';
COMMENT ON COLUMN pgtimewarp.follow_rules.not_tracked IS '[{"table", "reason"}]: what matches and cannot be tracked, as of the last run.';
COMMENT ON COLUMN pgtimewarp.follow_rules.created_at IS 'When; of two rules that match a table, the older one says how.';
GRANT SELECT ON pgtimewarp.follow_rules TO pgtimewarp_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.follow_rules TO pgtimewarp_writer, pgtimewarp_admin;
