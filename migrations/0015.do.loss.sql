-- Loss and recovery of whole nodes, transactions that cannot be applied, and the budget of WAL kept on the source.

-- What was lost by: an error code. (to_lsn belongs to the LSN space that begins there, which may be another than lsn_space.)
ALTER TABLE pgtimewarp.history_gaps ADD COLUMN code text;

-- The period of the same table before a gap of the node, by relation_id: keys that lived then and are not there any more
-- get a deletion at the end of the gap.
ALTER TABLE pgtimewarp.tracked_relations ADD COLUMN follows_relation_id int;

-- What the output plugin wrote for a transaction that could not be applied, for people to look at. `data` is null where
-- it may hold values of excluded columns.
CREATE TABLE pgtimewarp.blocked_changes (
  node_id   text NOT NULL REFERENCES pgtimewarp.nodes,
  lsn_space int NOT NULL,
  -- of the commit
  lsn       pg_lsn NOT NULL,
  position  int NOT NULL,
  xid       bigint NOT NULL,
  data      text,
  kept_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, lsn_space, lsn, position)
);
COMMENT ON TABLE pgtimewarp.blocked_changes IS 'Raw changes of transactions that could not be applied.';

GRANT SELECT ON pgtimewarp.blocked_changes TO pgtimewarp_admin;
GRANT INSERT ON pgtimewarp.blocked_changes TO pgtimewarp_writer;
GRANT SELECT (node_id, lsn_space, lsn, position) ON pgtimewarp.blocked_changes TO pgtimewarp_writer;
GRANT UPDATE, DELETE ON pgtimewarp.blocked_changes TO pgtimewarp_admin;
