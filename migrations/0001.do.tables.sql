-- The store of pgtimewarp: history of tracked tables of any number of source databases ("nodes"). History is insert-only: intervals
-- are computed from the order of versions, never stored. Migrations hold tables, types, roles and drops; functions and views are
-- in functions/, as they are now. What a column means is said by its COMMENT, so that a dump says it too.

-- Rights by role; logins are granted one of them. Roles belong to the server, so another store may have made them.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['pgtimewarp_reader', 'pgtimewarp_writer', 'pgtimewarp_admin'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', name);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- made by another migration at this moment
      END;
    END IF;
  END LOOP;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Nodes and their runs

CREATE TABLE pgtimewarp.nodes (
  node_id           text PRIMARY KEY CHECK (node_id ~ '^[a-z0-9_]{1,40}$'),
  system_identifier text NOT NULL,
  timeline          int NOT NULL,
  database_name     text NOT NULL,
  slot_name         text NOT NULL,
  plugin            text NOT NULL CHECK (plugin IN ('wal2json', 'pgoutput')),
  status            text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'gap', 'blocked', 'removed')),
  status_reason     text,
  created_at        timestamptz NOT NULL DEFAULT now(),
  last_seen         timestamptz,
  version           text,
  meta              jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE pgtimewarp.nodes IS 'One row per observed source database.';
COMMENT ON COLUMN pgtimewarp.nodes.node_id IS 'The name that commands use.';
COMMENT ON COLUMN pgtimewarp.nodes.system_identifier IS 'Of the source server: pg_control_system().';
COMMENT ON COLUMN pgtimewarp.nodes.timeline IS 'Of the source server, as of the last run.';
COMMENT ON COLUMN pgtimewarp.nodes.database_name IS 'The source database, as of the last run.';
COMMENT ON COLUMN pgtimewarp.nodes.slot_name IS 'The logical replication slot on the source.';
COMMENT ON COLUMN pgtimewarp.nodes.plugin IS 'The output plugin of the slot.';
COMMENT ON COLUMN pgtimewarp.nodes.status IS 'active | gap: a loss is recorded, rebaseline is needed | blocked: a transaction cannot be applied | removed: deinit; history stays.';
COMMENT ON COLUMN pgtimewarp.nodes.status_reason IS 'Why it is gap or blocked, for people.';
COMMENT ON COLUMN pgtimewarp.nodes.created_at IS 'When init made the node.';
COMMENT ON COLUMN pgtimewarp.nodes.last_seen IS 'When a run last reached the source.';
COMMENT ON COLUMN pgtimewarp.nodes.version IS 'The version of pgtimewarp that made the node.';
COMMENT ON COLUMN pgtimewarp.nodes.meta IS 'Settings of the node: what the plugin can do, budgets of WAL.';

CREATE TABLE pgtimewarp.wal_checkpoints (
  node_id             text PRIMARY KEY REFERENCES pgtimewarp.nodes,
  slot_name           text NOT NULL,
  lsn_space           int NOT NULL DEFAULT 1,
  applied_lsn         pg_lsn NOT NULL,
  applied_ts          timestamptz NOT NULL,
  epoch               bigint NOT NULL DEFAULT 0,
  lease_pid           int,
  lease_until         timestamptz,
  last_run_at         timestamptz,
  last_run_outcome    text,
  caught_up           boolean NOT NULL DEFAULT false,
  failures            int NOT NULL DEFAULT 0,
  failure             jsonb,
  map_from_lsn        pg_lsn
);
COMMENT ON TABLE pgtimewarp.wal_checkpoints IS 'The horizon of each node, and the claim of the run that is under way.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.slot_name IS 'The slot that the horizon belongs to.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lsn_space IS 'Counts the LSN spaces of the node: LSNs are comparable only within one. Another server behind the name begins a new one.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.applied_lsn IS 'The horizon: everything committed up to here is stored.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.applied_ts IS 'The time of the horizon.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.epoch IS 'Raised at every claim and compared in every write: a stale run writes nothing.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lease_pid IS 'The server process of the run that holds the claim.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lease_until IS 'When the claim ends unless it is renewed.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.last_run_at IS 'When the last run ended.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.last_run_outcome IS 'How the last run ended.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.caught_up IS 'Whether the last run reached the end of WAL.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.failures IS 'Failed runs in a row at the same position.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.failure IS 'Where and why the last of them failed.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.map_from_lsn IS 'Entries of lsn_time_map before this position (of the present LSN space) have been forgotten.';

CREATE TABLE pgtimewarp.removals (
  node_id  text PRIMARY KEY,
  asked_at timestamptz NOT NULL
);
COMMENT ON TABLE pgtimewarp.removals IS 'When the removal of a node was last asked for: a set-up that had begun before is not finished, however long it takes.';
COMMENT ON COLUMN pgtimewarp.removals.node_id IS 'The node, which may not be known yet.';
COMMENT ON COLUMN pgtimewarp.removals.asked_at IS 'When.';

CREATE TABLE pgtimewarp.health_events (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node_id  text,
  ts       timestamptz NOT NULL DEFAULT now(),
  severity text NOT NULL CHECK (severity IN ('info', 'warn', 'fail')),
  code     text NOT NULL,
  message  text NOT NULL,
  meta     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX health_events_by_node ON pgtimewarp.health_events (node_id, id DESC);
COMMENT ON TABLE pgtimewarp.health_events IS 'What happened to nodes: losses, repairs, failures, findings of the doctor.';
COMMENT ON COLUMN pgtimewarp.health_events.id IS 'In the order of writing.';
COMMENT ON COLUMN pgtimewarp.health_events.node_id IS 'The node; null: none in particular.';
COMMENT ON COLUMN pgtimewarp.health_events.ts IS 'When it was written.';
COMMENT ON COLUMN pgtimewarp.health_events.severity IS 'info | warn | fail.';
COMMENT ON COLUMN pgtimewarp.health_events.code IS 'What happened, for programs.';
COMMENT ON COLUMN pgtimewarp.health_events.message IS 'What happened, for people.';
COMMENT ON COLUMN pgtimewarp.health_events.meta IS 'Facts that belong to the code.';

-- The requests of deployments (CloudFormation's custom resource) in the order in which they came: a newer one takes the place of an
-- older one that is still at work, and one that is delivered again gets the answer that it was given.
CREATE TABLE pgtimewarp.deployment_requests (
  arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  deployment text NOT NULL,
  request_id text NOT NULL,
  arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  answer jsonb,
  CONSTRAINT deployment_requests_key UNIQUE (deployment, request_id)
);
COMMENT ON TABLE pgtimewarp.deployment_requests IS 'Requests of deployments: the last one of each counts.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.arrival IS 'In the order in which they came.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.deployment IS 'Stack and resource.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.request_id IS 'Of CloudFormation: the same when it is delivered again.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.arrived_at IS 'When it came first.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.answer IS 'What it was answered; null: nothing yet.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Tracked tables

CREATE SEQUENCE pgtimewarp.relation_id_seq AS int;

CREATE TABLE pgtimewarp.tracked_relations (
  node_id            text NOT NULL REFERENCES pgtimewarp.nodes,
  schema_name        text NOT NULL,
  table_name         text NOT NULL,
  relation_id        int NOT NULL UNIQUE DEFAULT nextval('pgtimewarp.relation_id_seq'),
  lsn_space          int NOT NULL DEFAULT 1,
  relid              oid,
  pk_columns         text[] NOT NULL CHECK (cardinality(pk_columns) > 0),
  pk_kinds           text[] NOT NULL CHECK (cardinality(pk_kinds) = cardinality(pk_columns)),
  columns            jsonb NOT NULL DEFAULT '[]',
  persistence        "char" NOT NULL DEFAULT 'p',
  replica_identity   "char" NOT NULL DEFAULT 'd',
  is_partitioned     boolean NOT NULL DEFAULT false,
  tracked_from_lsn   pg_lsn,
  tracked_from_ts    timestamptz,
  tracked_to_lsn     pg_lsn,
  tracked_to_ts      timestamptz,
  baseline_state     text NOT NULL DEFAULT 'pending' CHECK (baseline_state IN ('none', 'pending', 'done')),
  baseline_progress  jsonb NOT NULL DEFAULT '{}',
  baseline_lsn       pg_lsn,
  unseen_unknown_before_lsn pg_lsn,
  unseen_unknown_before_ts  timestamptz,
  start_conditions   jsonb,
  retention          interval,
  excluded_columns   text[] NOT NULL DEFAULT '{}',
  status             text NOT NULL DEFAULT 'starting'
                     CHECK (status IN ('starting', 'active', 'needs_rebaseline', 'untracked')),
  status_reason      text,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  catalog_facts      jsonb,
  repair             jsonb,
  follows_relation_id int,
  no_nan             boolean NOT NULL DEFAULT false,
  no_nan_refuted     text,
  PRIMARY KEY (node_id, schema_name, table_name)
);
COMMENT ON TABLE pgtimewarp.tracked_relations IS 'The tables that are tracked now, found by name and never by OID, with the state of their tracking.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.schema_name IS 'The name that the table is tracked under.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.table_name IS 'The name that the table is tracked under.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.relation_id IS 'One period of tracking. Tracked anew, a table gets another one.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.lsn_space IS 'The LSN space of the positions of this period.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.relid IS 'OID of the table on the source, as of the last run.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.pk_columns IS 'The columns of the key, in the order of the key.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.pk_kinds IS 'Per column of the key, how its text is made canonical (core/types/key.ts, canonical_key()).';
COMMENT ON COLUMN pgtimewarp.tracked_relations.columns IS '[{attnum, name, type_oid, type_name, since_lsn, former_names: [{name, since_lsn, until_lsn}]}], as of the last run.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.persistence IS 'As pg_class.relpersistence, as of the last run.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.replica_identity IS 'As pg_class.relreplident, as of the last run.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.is_partitioned IS 'Whether it is the root of partitions.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_from_lsn IS 'L0: complete from here on; null while the start waits for transactions that already touched the table.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_from_ts IS 'The time of tracked_from_lsn.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_to_lsn IS 'Where tracking ended (untrack); null while it goes on.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_to_ts IS 'The time of tracked_to_lsn.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_state IS 'none: asked for without | pending: rows are being read | done: every key is decided.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_progress IS '{cursor: key of the last row read, rows, estimated_rows, read_done}.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_lsn IS 'Read after the last statement of the baseline: its rows are decided once everything up to here is applied.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.unseen_unknown_before_lsn IS 'Keys without a row of the baseline or a change are unknown before this TRUNCATE, which came while the baseline was read.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.unseen_unknown_before_ts IS 'The time of unseen_unknown_before_lsn.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.start_conditions IS 'While starting: {lockers: transactions that are waited for, start_after_lsn}.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.retention IS 'How long history is kept; null: without end.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.excluded_columns IS 'Columns that are never stored.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.status IS 'starting | active | needs_rebaseline: a gap is open | untracked: no longer followed, history kept.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.status_reason IS 'Why a gap is open, for people.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.created_at IS 'When track was called.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.catalog_facts IS 'What the catalog said at the last run, to be compared at the next (core/types/catalog-facts.ts); null: not read yet.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.repair IS 'While a repair is asked for or under way: {base_lsn, base_ts, phase, cursor, rows, differences, read_lsn, end_lsn}.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.follows_relation_id IS 'The period of the same table before a gap of the node: keys that lived then and are not there any more get a deletion at the end of the gap.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.no_nan IS 'Declared: its numeric and float columns never hold NaN or Infinity.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.no_nan_refuted IS 'What was seen that says otherwise: from then on nothing is taken at its word.';

CREATE TABLE pgtimewarp.past_relations (
  relation_id        int PRIMARY KEY,
  node_id            text NOT NULL REFERENCES pgtimewarp.nodes,
  schema_name        text NOT NULL,
  table_name         text NOT NULL,
  lsn_space          int NOT NULL,
  pk_columns         text[] NOT NULL,
  pk_kinds           text[] NOT NULL,
  columns            jsonb NOT NULL,
  tracked_from_lsn   pg_lsn,
  tracked_from_ts    timestamptz,
  tracked_to_lsn     pg_lsn NOT NULL,
  tracked_to_ts      timestamptz NOT NULL,
  baseline_state     text NOT NULL,
  baseline_lsn       pg_lsn,
  unseen_unknown_before_lsn pg_lsn,
  unseen_unknown_before_ts  timestamptz,
  excluded_columns   text[] NOT NULL
);
CREATE INDEX past_relations_by_name
  ON pgtimewarp.past_relations (node_id, schema_name, table_name, tracked_from_ts DESC);
COMMENT ON TABLE pgtimewarp.past_relations IS 'Earlier periods of tables that were tracked anew: their history stays readable under its own relation_id. Columns as in tracked_relations.';

CREATE VIEW pgtimewarp.relation_periods AS
  SELECT relation_id, node_id, schema_name, table_name, lsn_space, pk_columns, pk_kinds, columns,
         tracked_from_lsn, tracked_from_ts, tracked_to_lsn, tracked_to_ts, baseline_state, baseline_lsn,
         unseen_unknown_before_lsn, unseen_unknown_before_ts, excluded_columns
    FROM pgtimewarp.tracked_relations
  UNION ALL
  SELECT relation_id, node_id, schema_name, table_name, lsn_space, pk_columns, pk_kinds, columns,
         tracked_from_lsn, tracked_from_ts, tracked_to_lsn, tracked_to_ts, baseline_state, baseline_lsn,
         unseen_unknown_before_lsn, unseen_unknown_before_ts, excluded_columns
    FROM pgtimewarp.past_relations;
COMMENT ON VIEW pgtimewarp.relation_periods IS 'Every period in which a table was tracked, the present one included. Here, not in functions/: functions take its rows.';

CREATE TABLE pgtimewarp.relation_leaves (
  leaf_id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  relation_id      int NOT NULL,
  schema_name      text NOT NULL,
  table_name       text NOT NULL,
  relid            oid,
  attached         boolean NOT NULL DEFAULT true,
  created_at       timestamptz NOT NULL DEFAULT now(),
  seen_after_lsn   pg_lsn,
  seen_after_ts    timestamptz,
  checked          boolean NOT NULL DEFAULT true,
  first_change_lsn pg_lsn,
  changed_unheard  boolean NOT NULL DEFAULT false,
  attached_at      jsonb NOT NULL DEFAULT '{}',
  judged_upto      text[],
  CONSTRAINT relation_leaves_by_oid UNIQUE (relation_id, relid)
);
COMMENT ON TABLE pgtimewarp.relation_leaves IS 'Partitions of tracked roots. A leaf is the table, not its name: renamed it keeps its id, made anew it gets another.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.leaf_id IS 'What changes of the leaf refer to.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.relation_id IS 'The root.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.schema_name IS 'Its name as of the last run.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.table_name IS 'Its name as of the last run.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.relid IS 'Its OID.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.attached IS 'Whether it was a partition at the last run.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.created_at IS 'When it was first seen.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.seen_after_lsn IS 'The horizon when it was first seen: where a gap begins should it turn out to have come with rows.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.seen_after_ts IS 'The time of seen_after_lsn.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.checked IS 'false until it is known whether it came with rows.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.first_change_lsn IS 'The first of its changes since it was first seen.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.changed_unheard IS 'A row of it was updated or deleted of which the log had not told before.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.attached_at IS 'By transaction that attached it: {lsn, exactly}; not exactly: at the latest.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.judged_upto IS 'Its rows have been judged up to this key; null: none has.';

CREATE TABLE pgtimewarp.virtual_columns (
  relation_id int NOT NULL,
  column_name text NOT NULL,
  from_lsn    pg_lsn NOT NULL,
  from_ts     timestamptz NOT NULL,
  to_lsn      pg_lsn,
  to_ts       timestamptz,
  PRIMARY KEY (relation_id, column_name, from_lsn)
);
COMMENT ON TABLE pgtimewarp.virtual_columns IS 'Columns of which neither the log nor a read row has values: virtual generated ones. The ends are those of the runs that noticed, never too narrow.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.column_name IS 'The column.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.from_lsn IS 'It was there after this position, not at it.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.from_ts IS 'The time of from_lsn.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.to_lsn IS 'It was there up to and including this position; null: it is.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.to_ts IS 'The time of to_lsn.';

CREATE TABLE pgtimewarp.rebaseline_findings (
  relation_id int NOT NULL,
  pk          text COLLATE "C" NOT NULL,
  leaf_id     int,
  row_data    json,
  json_nulls  text[],
  PRIMARY KEY (relation_id, pk)
);
COMMENT ON TABLE pgtimewarp.rebaseline_findings IS 'What a repair has found to differ from the history, until it is known which of it holds.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.pk IS 'The key, as in row_changes.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.leaf_id IS 'The partition that the row was found in.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.row_data IS 'The row as it was read; null: it is gone.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.json_nulls IS 'As in row_changes.';

CREATE TABLE pgtimewarp.history_gaps (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node_id     text NOT NULL REFERENCES pgtimewarp.nodes,
  relation_id int,
  lsn_space   int NOT NULL DEFAULT 1,
  from_lsn    pg_lsn NOT NULL,
  to_lsn      pg_lsn,
  from_ts     timestamptz NOT NULL,
  to_ts       timestamptz,
  reason      text NOT NULL,
  detected_at timestamptz NOT NULL DEFAULT now(),
  code        text
);
CREATE INDEX history_gaps_by_node ON pgtimewarp.history_gaps (node_id, relation_id, from_ts);
COMMENT ON TABLE pgtimewarp.history_gaps IS 'Intervals in which the log did not tell everything.';
COMMENT ON COLUMN pgtimewarp.history_gaps.id IS 'In the order of finding.';
COMMENT ON COLUMN pgtimewarp.history_gaps.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.history_gaps.relation_id IS 'The table; null: all tables of the node.';
COMMENT ON COLUMN pgtimewarp.history_gaps.lsn_space IS 'The LSN space of from_lsn. to_lsn belongs to the one that begins there, which may be another.';
COMMENT ON COLUMN pgtimewarp.history_gaps.from_lsn IS 'Known up to and including this position.';
COMMENT ON COLUMN pgtimewarp.history_gaps.to_lsn IS 'Known again from and including this position; null: not yet, or it ended in another LSN space.';
COMMENT ON COLUMN pgtimewarp.history_gaps.from_ts IS 'The time of from_lsn.';
COMMENT ON COLUMN pgtimewarp.history_gaps.to_ts IS 'When it ended; null: the gap is open.';
COMMENT ON COLUMN pgtimewarp.history_gaps.reason IS 'What was lost and why, for people.';
COMMENT ON COLUMN pgtimewarp.history_gaps.detected_at IS 'When it was found.';
COMMENT ON COLUMN pgtimewarp.history_gaps.code IS 'What it was lost by, for programs.';

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

-- ---------------------------------------------------------------------------------------------------------------------
-- History

CREATE TABLE pgtimewarp.row_changes (
  valid_from_lsn pg_lsn NOT NULL,
  valid_from_ts  timestamptz NOT NULL,
  xid            bigint,
  read_lsn       pg_lsn,
  relation_id    int NOT NULL,
  seq            int NOT NULL,
  leaf_id        int,
  op             "char" NOT NULL,
  pk             text COLLATE "C" NOT NULL,
  row_data       json,
  incomplete     text[],
  json_nulls     text[],
  nulls_assumed  boolean,
  PRIMARY KEY (relation_id, pk, valid_from_lsn, seq)
) PARTITION BY LIST (relation_id);
COMMENT ON TABLE pgtimewarp.row_changes IS 'One row per change. An update of the key is a D and an I.';
COMMENT ON COLUMN pgtimewarp.row_changes.valid_from_lsn IS 'The commit.';
COMMENT ON COLUMN pgtimewarp.row_changes.valid_from_ts IS 'The time of the commit.';
COMMENT ON COLUMN pgtimewarp.row_changes.xid IS 'The transaction; null for S, and for a D that a repair found.';
COMMENT ON COLUMN pgtimewarp.row_changes.read_lsn IS 'S only: read after the statement that read the row. It is decided once this is applied, and void when the key has a change in (valid_from_lsn, read_lsn].';
COMMENT ON COLUMN pgtimewarp.row_changes.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.row_changes.seq IS 'The place of the change within its transaction.';
COMMENT ON COLUMN pgtimewarp.row_changes.leaf_id IS 'The partition of a partitioned table.';
COMMENT ON COLUMN pgtimewarp.row_changes.op IS 'I, U, D from the log; S: read from the table, by a baseline or a repair.';
COMMENT ON COLUMN pgtimewarp.row_changes.pk IS 'The key: a compact JSON array of canonical texts, ["42"].';
COMMENT ON COLUMN pgtimewarp.row_changes.row_data IS 'The row after the change; null for D.';
COMMENT ON COLUMN pgtimewarp.row_changes.incomplete IS 'Columns whose values the log did not tell.';
COMMENT ON COLUMN pgtimewarp.row_changes.json_nulls IS 'Columns that hold the JSON value null, which has the text of a missing value.';
COMMENT ON COLUMN pgtimewarp.row_changes.nulls_assumed IS 'A NULL of the row was taken at its word, because the table is declared to hold no NaN.';

CREATE TABLE pgtimewarp.relation_events (
  relation_id int NOT NULL,
  lsn         pg_lsn NOT NULL,
  seq         int NOT NULL,
  leaf_id     int,
  ts          timestamptz NOT NULL,
  op          "char" NOT NULL,
  xid         bigint,
  PRIMARY KEY (relation_id, lsn, seq)
);
COMMENT ON TABLE pgtimewarp.relation_events IS 'What happens to a table as a whole.';
COMMENT ON COLUMN pgtimewarp.relation_events.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.relation_events.lsn IS 'The commit.';
COMMENT ON COLUMN pgtimewarp.relation_events.seq IS 'The place within its transaction.';
COMMENT ON COLUMN pgtimewarp.relation_events.leaf_id IS 'The partition that it happened to; null: the whole table.';
COMMENT ON COLUMN pgtimewarp.relation_events.ts IS 'The time of the commit.';
COMMENT ON COLUMN pgtimewarp.relation_events.op IS 'T: truncated.';
COMMENT ON COLUMN pgtimewarp.relation_events.xid IS 'The transaction.';

CREATE TABLE pgtimewarp.lsn_time_map (
  node_id   text NOT NULL,
  lsn_space int NOT NULL DEFAULT 1,
  lsn       pg_lsn NOT NULL,
  ts        timestamptz NOT NULL,
  commit_ts timestamptz,
  xid       bigint,
  PRIMARY KEY (node_id, lsn_space, lsn)
);
CREATE INDEX lsn_time_map_by_time ON pgtimewarp.lsn_time_map (node_id, ts, lsn_space, lsn);
COMMENT ON TABLE pgtimewarp.lsn_time_map IS 'Position to time and back: commits that changed tracked tables, and horizons. Commits of one node may share a time where those of another leave no microsecond between them: as of that time all of them count.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.lsn_space IS 'The LSN space of lsn.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.lsn IS 'The commit, or a horizon.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.ts IS 'The time of the position; never earlier than that of a position before.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.commit_ts IS 'The time that the source gave the commit; null for a horizon.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.xid IS 'The transaction; null for a horizon.';

CREATE TABLE pgtimewarp.transaction_contexts (
  node_id      text NOT NULL,
  lsn_space    int NOT NULL DEFAULT 1,
  seq          int NOT NULL DEFAULT 0,
  lsn          pg_lsn NOT NULL,
  context      json NOT NULL,
  relation_ids int[],
  PRIMARY KEY (node_id, lsn_space, lsn, seq)
);
COMMENT ON TABLE pgtimewarp.transaction_contexts IS 'What a transaction said about itself: pg_logical_emit_message(true, ''pgtimewarp'', ''{…}''). A change carries the last one at or before its place in the transaction (see functions/history/context_at.sql).';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.lsn_space IS 'The LSN space of lsn.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.lsn IS 'The commit.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.seq IS 'The place in the transaction from which it holds; that of the first one is 0.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.context IS 'The JSON text of a message.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.relation_ids IS 'The tables of the changes that carry it: retention of the last of them forgets the context. null: all of the node.';

CREATE TABLE pgtimewarp.blocked_changes (
  node_id   text NOT NULL REFERENCES pgtimewarp.nodes,
  lsn_space int NOT NULL,
  lsn       pg_lsn NOT NULL,
  position  int NOT NULL,
  xid       bigint NOT NULL,
  data      text,
  kept_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, lsn_space, lsn, position)
);
COMMENT ON TABLE pgtimewarp.blocked_changes IS 'What the output plugin wrote for a transaction that could not be applied, for people to look at.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.lsn_space IS 'The LSN space of lsn.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.lsn IS 'The commit.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.position IS 'The place of the row within its transaction.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.xid IS 'The transaction.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.data IS 'The row of the plugin; null where it may hold values of excluded columns.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.kept_at IS 'When it was kept.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Retention (see functions/retention)

CREATE TABLE pgtimewarp.relation_retention (
  relation_id        int PRIMARY KEY,
  retention          interval,
  expired_before_lsn pg_lsn,
  expired_before_ts  timestamptz,
  cutoff_xid         xid8,
  is_dropped         boolean NOT NULL DEFAULT false,
  contexts_upto_lsn  pg_lsn,
  contexts_upto_seq  int
);
COMMENT ON TABLE pgtimewarp.relation_retention IS 'What is forgotten of each period. Apart from tracked_relations because earlier periods of a table age as well.';
COMMENT ON COLUMN pgtimewarp.relation_retention.relation_id IS 'The period.';
COMMENT ON COLUMN pgtimewarp.relation_retention.retention IS 'null: keeps everything from now on; what is expired stays so.';
COMMENT ON COLUMN pgtimewarp.relation_retention.expired_before_lsn IS 'The cutoff: the oldest position that can be asked for; null: nothing has expired yet.';
COMMENT ON COLUMN pgtimewarp.relation_retention.expired_before_ts IS 'The time of the cutoff.';
COMMENT ON COLUMN pgtimewarp.relation_retention.cutoff_xid IS 'The transaction that moved the cutoff last.';
COMMENT ON COLUMN pgtimewarp.relation_retention.is_dropped IS 'All of it is older than the window and has been removed.';
COMMENT ON COLUMN pgtimewarp.relation_retention.contexts_upto_lsn IS 'Contexts up to here have been looked at since the cutoff passed them.';
COMMENT ON COLUMN pgtimewarp.relation_retention.contexts_upto_seq IS 'The place in the transaction at contexts_upto_lsn up to which its contexts have been looked at; null: all of them.';

CREATE TABLE pgtimewarp.relation_ranges (
  relation_id     int NOT NULL,
  table_name      text NOT NULL,
  from_lsn        pg_lsn,
  to_lsn          pg_lsn,
  opened_ts       timestamptz,
  state           text NOT NULL CHECK (state IN ('attached', 'building', 'built')),
  is_base         boolean NOT NULL DEFAULT false,
  built_to_pk     text COLLATE "C",
  keeps_deletions boolean NOT NULL DEFAULT false,
  built_xid       xid8,
  PRIMARY KEY (relation_id, table_name)
);
CREATE SEQUENCE pgtimewarp.relation_range_seq AS int;
COMMENT ON TABLE pgtimewarp.relation_ranges IS 'The ranges of valid_from_lsn that a partition of row_changes is cut into, as the catalog has them: written in the transactions that change it.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.table_name IS 'The range, a table of schema pgtimewarp.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.from_lsn IS 'null: from the beginning.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.to_lsn IS 'Exclusive; null: open.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.opened_ts IS 'A time by which every commit before from_lsn had happened; null while the horizon has not got here.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.state IS 'attached | building: beside, as the new lowest range | built: waits for the exchange.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.is_base IS 'Holds one version per key: what was valid when it was built.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.built_to_pk IS 'While building: done up to this key.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.keeps_deletions IS 'While building: deletions stay where they alone tell that a key is known.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.built_xid IS 'The transaction that finished it: older snapshots do not see its rows.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Types of the functions

CREATE TYPE pgtimewarp.key_state AS (
  status text, reason text, settled boolean, op "char", leaf_id int, row_data json, incomplete text[], json_nulls text[],
  from_lsn pg_lsn, from_seq int, from_ts timestamptz, from_xid bigint, to_lsn pg_lsn, to_ts timestamptz, to_xid bigint,
  nulls_assumed boolean);
COMMENT ON TYPE pgtimewarp.key_state IS 'What the history says about a key at one position. from_*: what made the version or the absence; to_*: what ends it, or the ignorance; NULL when nothing has so far. settled: false when later runs may say more.';

-- A type, not a list of result columns: only so has pk the collation that its order is.
CREATE TYPE pgtimewarp.row_at AS (
  pk text COLLATE "C", is_there boolean, op "char", valid_from_lsn pg_lsn, seq int, valid_from_ts timestamptz, xid bigint,
  read_lsn pg_lsn, leaf_id int, row_data json, incomplete text[], json_nulls text[], nulls_assumed boolean);
COMMENT ON TYPE pgtimewarp.row_at IS 'The last version of a key as of a position, and whether the row was there: see rows_at().';

CREATE TYPE pgtimewarp.history_position AS (
  period pgtimewarp.relation_periods, has_begun boolean, is_open boolean, through pg_lsn, asked_ts timestamptz, asked_lsn pg_lsn,
  lsn_space int, lsn pg_lsn, reason text, final boolean, horizon_lsn pg_lsn, horizon_ts timestamptz,
  expired_before_lsn pg_lsn, expired_before_ts timestamptz);
COMMENT ON TYPE pgtimewarp.history_position IS 'Where an instant lies in the history of a table: see position_at().';

CREATE TYPE pgtimewarp.hole AS (span tstzrange, reason text);
COMMENT ON TYPE pgtimewarp.hole IS 'An interval in which changes may be missing, and why.';

CREATE TYPE pgtimewarp.plain_facts AS (
  relation_id int, lsn_space int, pk_columns text[], pk_kinds text[], applied_lsn pg_lsn, applied_ts timestamptz,
  start_lsn pg_lsn, from_lsn pg_lsn, from_ts timestamptz, to_lsn pg_lsn, to_ts timestamptz, truncated_lsn pg_lsn,
  table_members text, key_member text, horizon_member text);
COMMENT ON TYPE pgtimewarp.plain_facts IS 'What is known of a table and its node while questions about it are plain: the period that is still going on, and the instants of which it is certain that they lie in it.';

-- Nothing is ever stored as this type: only literals of conditions become it.
CREATE DOMAIN pgtimewarp.question AS text
  CHECK (pg_catalog.set_config('pgtimewarp.question', VALUE, true) IS NOT NULL);
COMMENT ON DOMAIN pgtimewarp.question IS 'A question as JSON. Making a value of it asks the question.';

-- ---------------------------------------------------------------------------------------------------------------------
-- What functions and views were applied last

CREATE TABLE pgtimewarp.schema_functions (
  is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  digest      text NOT NULL,
  definitions text NOT NULL,
  applied_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pgtimewarp.schema_functions IS 'Which files of functions and views the store has: one row.';
COMMENT ON COLUMN pgtimewarp.schema_functions.is_only IS 'There is one row.';
COMMENT ON COLUMN pgtimewarp.schema_functions.digest IS 'Of the files.';
COMMENT ON COLUMN pgtimewarp.schema_functions.definitions IS 'Of what PostgreSQL made of them: one that was changed by hand shows.';
COMMENT ON COLUMN pgtimewarp.schema_functions.applied_at IS 'When they were applied.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Rights

GRANT USAGE ON SCHEMA pgtimewarp TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA pgtimewarp TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
REVOKE ALL ON pgtimewarp.blocked_changes FROM pgtimewarp_reader, pgtimewarp_writer; -- values of rows, whatever the table
GRANT SELECT (node_id, lsn_space, lsn, position), INSERT ON pgtimewarp.blocked_changes TO pgtimewarp_writer;
REVOKE ALL ON pgtimewarp.deployment_requests FROM pgtimewarp_reader, pgtimewarp_writer;
GRANT INSERT, UPDATE ON pgtimewarp.nodes, pgtimewarp.tracked_relations, pgtimewarp.past_relations, pgtimewarp.relation_leaves,
  pgtimewarp.wal_checkpoints, pgtimewarp.history_gaps, pgtimewarp.removals, pgtimewarp.virtual_columns,
  pgtimewarp.relation_retention TO pgtimewarp_writer;
GRANT INSERT ON pgtimewarp.row_changes, pgtimewarp.relation_events, pgtimewarp.transaction_contexts,
  pgtimewarp.health_events TO pgtimewarp_writer;
GRANT INSERT, UPDATE, DELETE ON pgtimewarp.lsn_time_map, pgtimewarp.rebaseline_findings, pgtimewarp.follow_rules TO pgtimewarp_writer;
GRANT USAGE ON SEQUENCE pgtimewarp.relation_id_seq TO pgtimewarp_writer;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgtimewarp TO pgtimewarp_admin;
REVOKE INSERT, UPDATE, DELETE ON pgtimewarp.relation_ranges FROM pgtimewarp_admin; -- functions of retention write them
GRANT USAGE ON SEQUENCE pgtimewarp.relation_id_seq, pgtimewarp.relation_leaves_leaf_id_seq, pgtimewarp.history_gaps_id_seq,
  pgtimewarp.health_events_id_seq TO pgtimewarp_admin;
GRANT pgtimewarp_writer TO pgtimewarp_admin;
