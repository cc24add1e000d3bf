-- The store of pgtimewarp: the history of tracked tables of any number of source databases ("nodes"). History is insert-only:
-- intervals are computed from the order of versions, never stored. Migrations hold tables, types, roles and drops; functions and
-- views are in functions/. The meaning of a column is in its COMMENT, so that a dump contains it too.

-- Rights belong to roles, and each login is granted one of these. Roles belong to the server, so another store may have made them.
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
COMMENT ON COLUMN pgtimewarp.nodes.node_id IS 'The name of the node in commands.';
COMMENT ON COLUMN pgtimewarp.nodes.system_identifier IS 'The system identifier of the source server, from pg_control_system().';
COMMENT ON COLUMN pgtimewarp.nodes.timeline IS 'The timeline of the source server, as of the last run.';
COMMENT ON COLUMN pgtimewarp.nodes.database_name IS 'The source database, as of the last run.';
COMMENT ON COLUMN pgtimewarp.nodes.slot_name IS 'The logical replication slot on the source.';
COMMENT ON COLUMN pgtimewarp.nodes.plugin IS 'The output plugin of the slot.';
COMMENT ON COLUMN pgtimewarp.nodes.status IS 'active | gap: a loss is recorded, rebaseline is needed | blocked: a transaction cannot be applied | removed: deinit; history stays.';
COMMENT ON COLUMN pgtimewarp.nodes.status_reason IS 'The reason for gap or blocked, for people.';
COMMENT ON COLUMN pgtimewarp.nodes.created_at IS 'When init created the node.';
COMMENT ON COLUMN pgtimewarp.nodes.last_seen IS 'When a run last reached the source.';
COMMENT ON COLUMN pgtimewarp.nodes.version IS 'The version of pgtimewarp that created the node.';
COMMENT ON COLUMN pgtimewarp.nodes.meta IS 'Settings of the node: features of the plugin, WAL budget of the slot.';

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
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lsn_space IS 'The number of the LSN space. LSNs are comparable only within one; another server behind the node begins a new one.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.applied_lsn IS 'The horizon: everything committed up to here is stored.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.applied_ts IS 'The time of the horizon.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.epoch IS 'Every claim raises it and every write compares it, so a run that has lost its claim writes nothing.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lease_pid IS 'The server process of the run that holds the claim.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.lease_until IS 'When the claim ends if it is not renewed.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.last_run_at IS 'When the last run ended.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.last_run_outcome IS 'How the last run ended.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.caught_up IS 'Whether the last run reached the end of WAL.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.failures IS 'Failed runs in a row at the same position.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.failure IS 'Position and reason of the last of these failures.';
COMMENT ON COLUMN pgtimewarp.wal_checkpoints.map_from_lsn IS 'Entries of lsn_time_map before this position (in the present LSN space) have been deleted.';

CREATE TABLE pgtimewarp.removals (
  node_id  text PRIMARY KEY,
  asked_at timestamptz NOT NULL
);
COMMENT ON TABLE pgtimewarp.removals IS 'The last removal request of each node. An init that began before the request does not finish.';
COMMENT ON COLUMN pgtimewarp.removals.node_id IS 'The node, which may not exist yet.';
COMMENT ON COLUMN pgtimewarp.removals.asked_at IS 'When the removal was requested.';

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
COMMENT ON TABLE pgtimewarp.health_events IS 'Events of nodes: losses, repairs, failures, failing checks of the doctor.';
COMMENT ON COLUMN pgtimewarp.health_events.id IS 'Ascending in the order of writing.';
COMMENT ON COLUMN pgtimewarp.health_events.node_id IS 'The node; null: the event concerns no single node.';
COMMENT ON COLUMN pgtimewarp.health_events.ts IS 'When it was written.';
COMMENT ON COLUMN pgtimewarp.health_events.severity IS 'info | warn | fail.';
COMMENT ON COLUMN pgtimewarp.health_events.code IS 'The kind of event, for programs.';
COMMENT ON COLUMN pgtimewarp.health_events.message IS 'The description of the event, for people.';
COMMENT ON COLUMN pgtimewarp.health_events.meta IS 'Facts that belong to the code.';

-- The requests of deployments (CloudFormation's custom resource) in the order of their arrival. A newer request replaces an older
-- one that still works. A request that is delivered again gets the stored answer.
CREATE TABLE pgtimewarp.deployment_requests (
  arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  deployment text NOT NULL,
  request_id text NOT NULL,
  arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  answer jsonb,
  CONSTRAINT deployment_requests_key UNIQUE (deployment, request_id)
);
COMMENT ON TABLE pgtimewarp.deployment_requests IS 'Requests of deployments: the last one of each counts.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.arrival IS 'Ascending in the order of arrival.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.deployment IS 'Stack and resource.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.request_id IS 'CloudFormation''s id of the request; it is the same when the request is delivered again.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.arrived_at IS 'When it first arrived.';
COMMENT ON COLUMN pgtimewarp.deployment_requests.answer IS 'The answer to the request; null: none yet.';

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
COMMENT ON TABLE pgtimewarp.tracked_relations IS 'Every table in its latest period of tracking, with its state. A table is found by name, never by OID.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.schema_name IS 'The schema of the table.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.table_name IS 'The name under which the table is tracked.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.relation_id IS 'The period of tracking. A table that is tracked again gets a new one.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.lsn_space IS 'The LSN space of the positions of this period.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.relid IS 'OID of the table on the source, as of the last run.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.pk_columns IS 'The columns of the key, in the order of the key.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.pk_kinds IS 'For each column of the key, how its text becomes canonical (core/types/key.ts, canonical_key()).';
COMMENT ON COLUMN pgtimewarp.tracked_relations.columns IS '[{attnum, name, type_oid, type_name, since_lsn, typed_since_lsn, former_names: [{name, since_lsn, until_lsn}]}], as of the last run.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.persistence IS 'As pg_class.relpersistence, as of the last run.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.replica_identity IS 'As pg_class.relreplident, as of the last run.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.is_partitioned IS 'Whether it is a partitioned table.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_from_lsn IS 'History is complete from here on. Null while the start waits for transactions that already touched the table.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_from_ts IS 'The time of tracked_from_lsn.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_to_lsn IS 'Where tracking ended (untrack); null while the table is tracked.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.tracked_to_ts IS 'The time of tracked_to_lsn.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_state IS 'none: tracked without a baseline | pending: rows are being read | done: every key is decided.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_progress IS '{cursor: key of the last row read, rows, estimated_rows, read_done}.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.baseline_lsn IS 'A position that was read after the last statement of the baseline. Its rows are decided when the horizon has passed it.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.unseen_unknown_before_lsn IS 'The position of a TRUNCATE during the baseline. Before it, keys without a baseline row or a change are unknown.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.unseen_unknown_before_ts IS 'The time of unseen_unknown_before_lsn.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.start_conditions IS 'While starting: {lockers: transactions that the start waits for, start_after_lsn}.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.retention IS 'How long history is kept; null: for ever.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.excluded_columns IS 'Columns that are never stored.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.status IS 'starting | active | needs_rebaseline: a gap is open | untracked: not tracked any more, history kept.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.status_reason IS 'The reason for the open gap, for people.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.created_at IS 'When track was called.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.catalog_facts IS 'The catalog of the table at the last run; the next run compares it (core/types/catalog-facts.ts). Null: not read yet.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.repair IS 'While a repair is requested or under way: {base_lsn, base_ts, phase, cursor, rows, differences, read_lsn, end_lsn}.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.follows_relation_id IS 'The period of the same table before a gap of the node. Keys that existed then and are gone now get a deletion at the end of the gap.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.no_nan IS 'Declared by track --no-nan: numeric and float columns never hold NaN or infinity.';
COMMENT ON COLUMN pgtimewarp.tracked_relations.no_nan_refuted IS 'What contradicted no_nan. From then on a null may again be NaN or infinity.';

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
  excluded_columns   text[] NOT NULL,
  catalog_facts      jsonb
);
CREATE INDEX past_relations_by_name
  ON pgtimewarp.past_relations (node_id, schema_name, table_name, tracked_from_ts DESC);
COMMENT ON TABLE pgtimewarp.past_relations IS 'Earlier periods of tables that were tracked again. Their history stays readable under its own relation_id. Columns as in tracked_relations.';

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
COMMENT ON VIEW pgtimewarp.relation_periods IS 'All periods of tracking, including the present ones. It is in a migration because functions take its rows.';

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
COMMENT ON TABLE pgtimewarp.relation_leaves IS 'Partitions (leaves) of tracked partitioned tables. A renamed leaf keeps its id; a recreated one gets a new id.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.leaf_id IS 'The id that changes of the leaf refer to.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.relation_id IS 'The partitioned table.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.schema_name IS 'Its schema, as of the last run.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.table_name IS 'Its name, as of the last run.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.relid IS 'Its OID.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.attached IS 'Whether it was a partition at the last run.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.created_at IS 'When a run first found it.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.seen_after_lsn IS 'The horizon when it was first found. If it turns out to have come with rows, the gap begins here.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.seen_after_ts IS 'The time of seen_after_lsn.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.checked IS 'false until it is known whether it came with rows.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.first_change_lsn IS 'The first of its changes since it was found.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.changed_unheard IS 'The log has an update or delete of a row, but not the insert of that row.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.attached_at IS 'For each transaction that attached it: {lsn, exactly}. If exactly is false, lsn is an upper bound.';
COMMENT ON COLUMN pgtimewarp.relation_leaves.judged_upto IS 'Its rows are judged up to this key; null: none yet.';

CREATE TABLE pgtimewarp.virtual_columns (
  relation_id int NOT NULL,
  column_name text NOT NULL,
  from_lsn    pg_lsn NOT NULL,
  from_ts     timestamptz NOT NULL,
  to_lsn      pg_lsn,
  to_ts       timestamptz,
  PRIMARY KEY (relation_id, column_name, from_lsn)
);
COMMENT ON TABLE pgtimewarp.virtual_columns IS 'Virtual generated columns: neither the log nor read rows have their values. The interval ends at runs, so it may be too wide but never too narrow.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.column_name IS 'The column.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.from_lsn IS 'The column exists after this position, not at it.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.from_ts IS 'The time of from_lsn.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.to_lsn IS 'The column exists up to and including this position; null: it still exists.';
COMMENT ON COLUMN pgtimewarp.virtual_columns.to_ts IS 'The time of to_lsn.';

CREATE TABLE pgtimewarp.rebaseline_findings (
  relation_id int NOT NULL,
  pk          text COLLATE "C" NOT NULL,
  leaf_id     int,
  row_data    json,
  json_nulls  text[],
  PRIMARY KEY (relation_id, pk)
);
COMMENT ON TABLE pgtimewarp.rebaseline_findings IS 'Findings: rows that a repair read and that differ from history, until the end of the repair decides about them.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.pk IS 'The key, as in row_changes.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.leaf_id IS 'The partition of the row.';
COMMENT ON COLUMN pgtimewarp.rebaseline_findings.row_data IS 'The row as the repair read it; null: the row is gone.';
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
COMMENT ON TABLE pgtimewarp.history_gaps IS 'Intervals for which the log does not contain every change.';
COMMENT ON COLUMN pgtimewarp.history_gaps.id IS 'Ascending in the order of detection.';
COMMENT ON COLUMN pgtimewarp.history_gaps.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.history_gaps.relation_id IS 'The table; null: all tables of the node.';
COMMENT ON COLUMN pgtimewarp.history_gaps.lsn_space IS 'The LSN space of from_lsn. to_lsn belongs to the space that begins there, which may be another one.';
COMMENT ON COLUMN pgtimewarp.history_gaps.from_lsn IS 'History is known up to and including this position.';
COMMENT ON COLUMN pgtimewarp.history_gaps.to_lsn IS 'History is known again from this position (inclusive). Null: the gap is open, or it ended in another LSN space.';
COMMENT ON COLUMN pgtimewarp.history_gaps.from_ts IS 'The time of from_lsn.';
COMMENT ON COLUMN pgtimewarp.history_gaps.to_ts IS 'The time when the gap ended; null: the gap is open.';
COMMENT ON COLUMN pgtimewarp.history_gaps.reason IS 'What was lost and why, for people.';
COMMENT ON COLUMN pgtimewarp.history_gaps.detected_at IS 'When the gap was detected.';
COMMENT ON COLUMN pgtimewarp.history_gaps.code IS 'The cause, for programs.';

CREATE TABLE pgtimewarp.follow_rules (
  node_id          text NOT NULL REFERENCES pgtimewarp.nodes,
  pattern          text NOT NULL,
  retention        interval,
  excluded_columns text[] NOT NULL DEFAULT '{}',
  baseline         boolean NOT NULL DEFAULT true,
  no_nan           boolean NOT NULL DEFAULT false,
  is_shared        boolean NOT NULL DEFAULT false,
  not_tracked      jsonb NOT NULL DEFAULT '[]',
  created_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, pattern)
);
COMMENT ON TABLE pgtimewarp.follow_rules IS 'Patterns for tables that are created later: runs track every table that matches and was never tracked.';
COMMENT ON COLUMN pgtimewarp.follow_rules.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.follow_rules.pattern IS 'A psql pattern in canonical spelling (core/pg/table-pattern.ts).';
COMMENT ON COLUMN pgtimewarp.follow_rules.retention IS 'How long history of such a table is kept; null: the default of the node.';
COMMENT ON COLUMN pgtimewarp.follow_rules.excluded_columns IS 'Columns that are never stored, for tables that have them.';
COMMENT ON COLUMN pgtimewarp.follow_rules.baseline IS 'Whether runs read the rows that a new table already holds.';
COMMENT ON COLUMN pgtimewarp.follow_rules.no_nan IS 'Declared by track --no-nan: numeric and float columns never hold NaN or infinity.';
COMMENT ON COLUMN pgtimewarp.follow_rules.is_shared IS 'Declared by track --shared: another node of the same database may track such a table, too.';
COMMENT ON COLUMN pgtimewarp.follow_rules.not_tracked IS '[{"table", "reason"}]: tables that match but cannot be tracked, as of the last run.';
COMMENT ON COLUMN pgtimewarp.follow_rules.created_at IS 'When the rule was made. If two rules match a table, the older one applies.';

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
CREATE INDEX row_changes_in_order ON pgtimewarp.row_changes
  USING brin (valid_from_lsn) WITH (pages_per_range = 64, autosummarize = on);
COMMENT ON TABLE pgtimewarp.row_changes IS 'One row per change. An update of the key is a D and an I.';
COMMENT ON COLUMN pgtimewarp.row_changes.valid_from_lsn IS 'The commit LSN.';
COMMENT ON COLUMN pgtimewarp.row_changes.valid_from_ts IS 'The time of the commit.';
COMMENT ON COLUMN pgtimewarp.row_changes.xid IS 'The transaction; null for S, and for a D that a repair found.';
COMMENT ON COLUMN pgtimewarp.row_changes.read_lsn IS 'Only for S: a position read after the statement that read the row. When the horizon has passed it, the row is decided; it is void if the key has a change in (valid_from_lsn, read_lsn].';
COMMENT ON COLUMN pgtimewarp.row_changes.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.row_changes.seq IS 'The place of the change within its transaction.';
COMMENT ON COLUMN pgtimewarp.row_changes.leaf_id IS 'The partition of a partitioned table.';
COMMENT ON COLUMN pgtimewarp.row_changes.op IS 'I, U, D from the log; S: read from the table, by a baseline or a repair.';
COMMENT ON COLUMN pgtimewarp.row_changes.pk IS 'The key: a compact JSON array of canonical texts, ["42"].';
COMMENT ON COLUMN pgtimewarp.row_changes.row_data IS 'The row after the change; null for D.';
COMMENT ON COLUMN pgtimewarp.row_changes.incomplete IS 'Columns whose values are not known.';
COMMENT ON COLUMN pgtimewarp.row_changes.json_nulls IS 'Columns that hold the JSON value null, which has the text of a missing value.';
COMMENT ON COLUMN pgtimewarp.row_changes.nulls_assumed IS 'The row has a null that counts as NULL because the table is declared no_nan.';

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
COMMENT ON TABLE pgtimewarp.relation_events IS 'Events that concern a whole table or partition.';
COMMENT ON COLUMN pgtimewarp.relation_events.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.relation_events.lsn IS 'The commit LSN.';
COMMENT ON COLUMN pgtimewarp.relation_events.seq IS 'The place within its transaction.';
COMMENT ON COLUMN pgtimewarp.relation_events.leaf_id IS 'The partition; null: the whole table.';
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
CREATE INDEX lsn_time_map_by_xid ON pgtimewarp.lsn_time_map USING brin (xid) WITH (pages_per_range = 16, autosummarize = on);
COMMENT ON TABLE pgtimewarp.lsn_time_map IS 'The time map: position to time and back, for commits that changed tracked tables and for horizons. Commits of a node share a time if another node left no free microsecond; as of that time all of them count.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.lsn_space IS 'The LSN space of lsn.';
COMMENT ON COLUMN pgtimewarp.lsn_time_map.lsn IS 'The commit LSN, or a horizon.';
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
  value_hashes int[] NOT NULL DEFAULT '{0}',
  PRIMARY KEY (node_id, lsn_space, lsn, seq)
);
CREATE INDEX transaction_contexts_by_value ON pgtimewarp.transaction_contexts USING gin (value_hashes)
  WITH (gin_pending_list_limit = 256);
COMMENT ON TABLE pgtimewarp.transaction_contexts IS 'The contexts that a transaction sent: pg_logical_emit_message(true, ''pgtimewarp'', ''{…}''). A change carries the last one at or before its place in the transaction (see functions/history/context_at.sql).';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.lsn_space IS 'The LSN space of lsn.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.lsn IS 'The commit LSN.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.seq IS 'The place in the transaction from which the context is valid; 0 for the first context.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.context IS 'The JSON text of the message.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.relation_ids IS 'The tables whose changes carry the context. Retention deletes the context when these changes have expired in all of them. null: all tables of the node.';
COMMENT ON COLUMN pgtimewarp.transaction_contexts.value_hashes IS 'Hashes of the values in context, for the index (see functions/history/context_hashes.sql). {0}: not hashed, so a question has to compare the context itself.';

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
COMMENT ON TABLE pgtimewarp.blocked_changes IS 'The output of the plugin for a transaction that could not be applied, for inspection.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.lsn_space IS 'The LSN space of lsn.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.lsn IS 'The commit LSN.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.position IS 'The place of the row within its transaction.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.xid IS 'The transaction.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.data IS 'The row of the plugin; null if it may contain values of excluded columns.';
COMMENT ON COLUMN pgtimewarp.blocked_changes.kept_at IS 'When the row was stored.';

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
COMMENT ON TABLE pgtimewarp.relation_retention IS 'The retention of each period. It is not in tracked_relations because history of earlier periods expires too.';
COMMENT ON COLUMN pgtimewarp.relation_retention.relation_id IS 'The period.';
COMMENT ON COLUMN pgtimewarp.relation_retention.retention IS 'The window; null: nothing more expires, but expired history stays expired.';
COMMENT ON COLUMN pgtimewarp.relation_retention.expired_before_lsn IS 'The cutoff: the oldest position with an answer; null: nothing has expired yet.';
COMMENT ON COLUMN pgtimewarp.relation_retention.expired_before_ts IS 'The time of the cutoff.';
COMMENT ON COLUMN pgtimewarp.relation_retention.cutoff_xid IS 'The transaction that moved the cutoff last.';
COMMENT ON COLUMN pgtimewarp.relation_retention.is_dropped IS 'The whole period is older than the window and has been deleted.';
COMMENT ON COLUMN pgtimewarp.relation_retention.contexts_upto_lsn IS 'Retention has checked contexts up to here.';
COMMENT ON COLUMN pgtimewarp.relation_retention.contexts_upto_seq IS 'The place in the transaction at contexts_upto_lsn up to which contexts are checked; null: all of them.';

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
COMMENT ON TABLE pgtimewarp.relation_ranges IS 'The ranges of valid_from_lsn into which a partition of row_changes is divided. The transaction that changes a range in the catalog also changes its row here.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.relation_id IS 'The table.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.table_name IS 'The range, a table of schema pgtimewarp.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.from_lsn IS 'Inclusive; null: from the beginning.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.to_lsn IS 'Exclusive; null: open.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.opened_ts IS 'A time at or after every commit before from_lsn; null until the horizon reaches from_lsn.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.state IS 'attached | building: a new lowest range that is not attached yet | built: waits for the exchange.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.is_base IS 'Holds one version per key: the one that was valid at its end.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.built_to_pk IS 'While building: keys up to this one are done.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.keeps_deletions IS 'While building: deletions are copied too, because only they show that a key is known.';
COMMENT ON COLUMN pgtimewarp.relation_ranges.built_xid IS 'The transaction that finished it. Older snapshots do not see its rows.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Archive (see core/archive)

CREATE TABLE pgtimewarp.archive_settings (
  node_id     text NOT NULL REFERENCES pgtimewarp.nodes,
  schema_name text NOT NULL,
  table_name  text NOT NULL,
  hot         interval NOT NULL,
  min_rows    int NOT NULL,
  is_on       boolean NOT NULL DEFAULT true,
  drops       boolean NOT NULL DEFAULT false,
  archive_id  uuid NOT NULL DEFAULT gen_random_uuid(),
  PRIMARY KEY (node_id, schema_name, table_name)
);
COMMENT ON TABLE pgtimewarp.archive_settings IS 'The tables whose history is copied to the archive.';
COMMENT ON COLUMN pgtimewarp.archive_settings.node_id IS 'The node.';
COMMENT ON COLUMN pgtimewarp.archive_settings.schema_name IS 'The schema of the table.';
COMMENT ON COLUMN pgtimewarp.archive_settings.table_name IS 'The name under which the table is tracked.';
COMMENT ON COLUMN pgtimewarp.archive_settings.hot IS 'History that is older than this is archived.';
COMMENT ON COLUMN pgtimewarp.archive_settings.min_rows IS 'A unit with fewer rows waits.';
COMMENT ON COLUMN pgtimewarp.archive_settings.is_on IS 'false: no new unit is begun; what is archived stays.';
COMMENT ON COLUMN pgtimewarp.archive_settings.drops IS 'Whether archived history is dropped from the store once it is verified.';
COMMENT ON COLUMN pgtimewarp.archive_settings.archive_id IS 'The Iceberg table has the same id as a property, so that another store with the same names does not write to it.';

CREATE TABLE pgtimewarp.archive_units (
  relation_id int NOT NULL,
  unit        int NOT NULL,
  lsn_space   int NOT NULL,
  from_lsn    pg_lsn NOT NULL,
  to_lsn      pg_lsn NOT NULL,
  to_ts       timestamptz NOT NULL,
  state       text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'written', 'committed', 'verified')),
  row_count   bigint,
  checksum    numeric,
  snapshot_id bigint,
  epoch       bigint NOT NULL,
  planned_at  timestamptz NOT NULL DEFAULT now(),
  verified_at timestamptz,
  PRIMARY KEY (relation_id, unit)
);
COMMENT ON TABLE pgtimewarp.archive_units IS 'Closed intervals of history, each of which is archived as a whole. Units of a relation follow each other without a gap.';
COMMENT ON COLUMN pgtimewarp.archive_units.relation_id IS 'The period of the table.';
COMMENT ON COLUMN pgtimewarp.archive_units.unit IS 'The place of the unit in its relation: 1 is the oldest.';
COMMENT ON COLUMN pgtimewarp.archive_units.lsn_space IS 'The LSN space of the positions.';
COMMENT ON COLUMN pgtimewarp.archive_units.from_lsn IS 'Inclusive; 0/0: everything before to_lsn.';
COMMENT ON COLUMN pgtimewarp.archive_units.to_lsn IS 'Exclusive.';
COMMENT ON COLUMN pgtimewarp.archive_units.to_ts IS 'Every commit up to this time lies before to_lsn, every later one does not.';
COMMENT ON COLUMN pgtimewarp.archive_units.state IS 'planned: the boundary is fixed | written: its files are in the bucket | committed: a snapshot of the Iceberg table has them | verified: read back, they equal the store.';
COMMENT ON COLUMN pgtimewarp.archive_units.row_count IS 'Rows in its files, from the state written on.';
COMMENT ON COLUMN pgtimewarp.archive_units.checksum IS 'The sum of the hashes of these rows (core/archive/row-checksum.ts).';
COMMENT ON COLUMN pgtimewarp.archive_units.snapshot_id IS 'The snapshot that added the files; null: there are none, or another archiver added them.';
COMMENT ON COLUMN pgtimewarp.archive_units.epoch IS 'The claim under which it was planned.';
COMMENT ON COLUMN pgtimewarp.archive_units.planned_at IS 'When it was planned.';
COMMENT ON COLUMN pgtimewarp.archive_units.verified_at IS 'When its files were last read back and equal to the store.';

CREATE TABLE pgtimewarp.archive_files (
  path        text PRIMARY KEY,
  relation_id int NOT NULL,
  unit        int NOT NULL,
  sha256      text NOT NULL,
  bytes       bigint NOT NULL,
  row_count   bigint NOT NULL,
  min_pk      text COLLATE "C" NOT NULL,
  max_pk      text COLLATE "C" NOT NULL,
  min_lsn     pg_lsn NOT NULL,
  max_lsn     pg_lsn NOT NULL,
  min_ts      timestamptz NOT NULL,
  max_ts      timestamptz NOT NULL,
  groups      jsonb NOT NULL,
  FOREIGN KEY (relation_id, unit) REFERENCES pgtimewarp.archive_units
);
CREATE INDEX archive_files_by_unit ON pgtimewarp.archive_files (relation_id, unit);
COMMENT ON TABLE pgtimewarp.archive_files IS 'The Parquet files of the archive. No key is in two files of a unit.';
COMMENT ON COLUMN pgtimewarp.archive_files.path IS 'The URL of the object: s3://bucket/key.';
COMMENT ON COLUMN pgtimewarp.archive_files.relation_id IS 'The period of the table.';
COMMENT ON COLUMN pgtimewarp.archive_files.unit IS 'The unit.';
COMMENT ON COLUMN pgtimewarp.archive_files.sha256 IS 'The digest of the object, in hexadecimal digits.';
COMMENT ON COLUMN pgtimewarp.archive_files.bytes IS 'Its size.';
COMMENT ON COLUMN pgtimewarp.archive_files.row_count IS 'Its rows.';
COMMENT ON COLUMN pgtimewarp.archive_files.min_pk IS 'Its first key; empty if it has TRUNCATEs, which have no key.';
COMMENT ON COLUMN pgtimewarp.archive_files.max_pk IS 'Its last key.';
COMMENT ON COLUMN pgtimewarp.archive_files.min_lsn IS 'Its earliest commit LSN.';
COMMENT ON COLUMN pgtimewarp.archive_files.max_lsn IS 'Its latest commit LSN.';
COMMENT ON COLUMN pgtimewarp.archive_files.min_ts IS 'Its earliest time of a commit.';
COMMENT ON COLUMN pgtimewarp.archive_files.max_ts IS 'Its latest time of a commit.';
COMMENT ON COLUMN pgtimewarp.archive_files.groups IS 'Where its row groups and their indexes lie, so that a key is found without reading the footer (core/archive/row-groups.ts).';

CREATE TABLE pgtimewarp.archive_cutoffs (
  relation_id int PRIMARY KEY,
  before_lsn  pg_lsn NOT NULL,
  before_ts   timestamptz NOT NULL,
  upto_lsn    pg_lsn NOT NULL,
  cutoff_xid  xid8 NOT NULL,
  has_changed boolean NOT NULL,
  unread_lsns pg_lsn[] NOT NULL
);
COMMENT ON TABLE pgtimewarp.archive_cutoffs IS 'Where the history of a period begins in the store. Older changes are in the archive alone, or will soon be; of each key the store keeps the last of them.';
COMMENT ON COLUMN pgtimewarp.archive_cutoffs.relation_id IS 'The period.';
COMMENT ON COLUMN pgtimewarp.archive_cutoffs.before_lsn IS 'Questions about positions that need an earlier change than this are answered from the archive.';
COMMENT ON COLUMN pgtimewarp.archive_cutoffs.before_ts IS 'A time at or after every commit before before_lsn.';
COMMENT ON COLUMN pgtimewarp.archive_cutoffs.upto_lsn IS 'Ranges that end up to here may be dropped: no change lies between before_lsn and it.';
COMMENT ON COLUMN pgtimewarp.archive_cutoffs.cutoff_xid IS 'The transaction that moved the cutoff last.';
COMMENT ON COLUMN pgtimewarp.archive_cutoffs.has_changed IS 'Whether rows were updated or deleted while the baseline was read.';
COMMENT ON COLUMN pgtimewarp.archive_cutoffs.unread_lsns IS 'When rows that no run had read first changed or were removed, while the baseline was read.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Types of the functions

CREATE TYPE pgtimewarp.key_state AS (
  status text, reason text, settled boolean, op "char", leaf_id int, row_data json, incomplete text[], json_nulls text[],
  from_lsn pg_lsn, from_seq int, from_ts timestamptz, from_xid bigint, to_lsn pg_lsn, to_ts timestamptz, to_xid bigint,
  nulls_assumed boolean);
COMMENT ON TYPE pgtimewarp.key_state IS 'A key at one position. from_*: the change that made the version or the absence. to_*: the change that ends it, or the end of the unknown interval; NULL: none yet. settled: false if later runs may change the answer.';

-- A type, because a result column could not have the collation "C" by which pk is sorted.
CREATE TYPE pgtimewarp.row_at AS (
  pk text COLLATE "C", is_there boolean, op "char", valid_from_lsn pg_lsn, seq int, valid_from_ts timestamptz, xid bigint,
  read_lsn pg_lsn, leaf_id int, row_data json, incomplete text[], json_nulls text[], nulls_assumed boolean);
COMMENT ON TYPE pgtimewarp.row_at IS 'The last version of a key as of a position, and whether the row was there: see rows_at().';

CREATE TYPE pgtimewarp.sort_place AS (number numeric, text text COLLATE "C");
COMMENT ON TYPE pgtimewarp.sort_place IS 'The place of a value in an order; both members are NULL for NULL: see sort_place().';

CREATE TYPE pgtimewarp.row_place AS (is_placed boolean, places pgtimewarp.sort_place[], pk text COLLATE "C");
COMMENT ON TYPE pgtimewarp.row_place IS 'The place of a row in the order of some columns, then of keys: see place_of_row().';

CREATE TYPE pgtimewarp.history_position AS (
  period pgtimewarp.relation_periods, has_begun boolean, is_open boolean, through pg_lsn, asked_ts timestamptz, asked_lsn pg_lsn,
  lsn_space int, lsn pg_lsn, reason text, final boolean, horizon_lsn pg_lsn, horizon_ts timestamptz,
  expired_before_lsn pg_lsn, expired_before_ts timestamptz, archived_before_lsn pg_lsn);
COMMENT ON TYPE pgtimewarp.history_position IS 'An instant in the history of a table: see position_at().';

CREATE TYPE pgtimewarp.hole AS (span tstzrange, reason text);
COMMENT ON TYPE pgtimewarp.hole IS 'An interval in which changes may be missing, and the reason.';

CREATE TYPE pgtimewarp.row_naming AS (kind text, names text[], places int[], incomplete text[]);
COMMENT ON TYPE pgtimewarp.row_naming IS 'How the rows of one kind get the present names of the columns: the names, as JSON strings, each with the place of its member in the row: see row_naming().';

-- A type for the same reason as row_at.
CREATE TYPE pgtimewarp.history_change AS (
  relation_id int, lsn pg_lsn, seq int, pk text COLLATE "C", op text, ts timestamptz, xid bigint, before json, after json,
  changed json, context json, incomplete text[], assumes text);
COMMENT ON TYPE pgtimewarp.history_change IS 'What a commit did to a row: see table_changes().';

CREATE TYPE pgtimewarp.found_version AS (
  relation_id int, pk text COLLATE "C", lsn pg_lsn, seq int, ts timestamptz, xid bigint, to_lsn pg_lsn, to_ts timestamptz, to_xid bigint,
  row_data json, incomplete text[], assumes text);
COMMENT ON TYPE pgtimewarp.found_version IS 'A version of a row that has the values that were asked for, and what ended it: see find_rows().';

CREATE TYPE pgtimewarp.row_filter AS (
  name text, names text[], since pg_lsn[], until pg_lsn[], kind text, as_printed boolean, wanted text, is_null boolean, may_lack boolean);
COMMENT ON TYPE pgtimewarp.row_filter IS 'A value that a column must have. names: all that the column has had, each after the position since and up to until (null: so far); kind: how values of its type are compared, as comparable_value() does or, after =, by the operator of a type; as_printed: equal ones print equally; wanted: the value, comparable; is_null: NULL is asked for; may_lack: rows need not hold the column: see row_filters().';

CREATE TYPE pgtimewarp.plain_facts AS (
  relation_id int, lsn_space int, pk_columns text[], pk_kinds text[], applied_lsn pg_lsn, applied_ts timestamptz,
  start_lsn pg_lsn, from_lsn pg_lsn, from_ts timestamptz, to_lsn pg_lsn, to_ts timestamptz, truncated_lsn pg_lsn,
  table_members text, key_member text, horizon_member text);
COMMENT ON TYPE pgtimewarp.plain_facts IS 'Facts about a table and its node for plain questions: the present period, and the instants that certainly lie in it.';

-- No column has this type; only literals in conditions are converted to it.
CREATE DOMAIN pgtimewarp.question AS text
  CHECK (pg_catalog.set_config('pgtimewarp.question', VALUE, true) IS NOT NULL);
COMMENT ON DOMAIN pgtimewarp.question IS 'A question as JSON. The CHECK puts it into a setting, from which asof_answers reads it.';

-- ---------------------------------------------------------------------------------------------------------------------
-- The functions and views of the store

CREATE TABLE pgtimewarp.schema_functions (
  is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  digest      text NOT NULL,
  definitions text NOT NULL,
  applied_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pgtimewarp.schema_functions IS 'One row: the version of the functions and views in the store.';
COMMENT ON COLUMN pgtimewarp.schema_functions.is_only IS 'Always true, so that there is one row.';
COMMENT ON COLUMN pgtimewarp.schema_functions.digest IS 'Digest of the files.';
COMMENT ON COLUMN pgtimewarp.schema_functions.definitions IS 'Digest of the definitions in the catalog. It differs if somebody has changed one by hand.';
COMMENT ON COLUMN pgtimewarp.schema_functions.applied_at IS 'When the files were applied.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Rights

GRANT USAGE ON SCHEMA pgtimewarp TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA pgtimewarp TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
REVOKE ALL ON pgtimewarp.blocked_changes FROM pgtimewarp_reader, pgtimewarp_writer; -- it holds row values of any table
GRANT SELECT (node_id, lsn_space, lsn, position), INSERT ON pgtimewarp.blocked_changes TO pgtimewarp_writer;
REVOKE ALL ON pgtimewarp.deployment_requests FROM pgtimewarp_reader, pgtimewarp_writer;
GRANT INSERT, UPDATE ON pgtimewarp.nodes, pgtimewarp.tracked_relations, pgtimewarp.past_relations, pgtimewarp.relation_leaves,
  pgtimewarp.wal_checkpoints, pgtimewarp.history_gaps, pgtimewarp.removals, pgtimewarp.virtual_columns,
  pgtimewarp.relation_retention TO pgtimewarp_writer;
GRANT INSERT ON pgtimewarp.row_changes, pgtimewarp.relation_events, pgtimewarp.transaction_contexts,
  pgtimewarp.health_events TO pgtimewarp_writer;
GRANT INSERT, UPDATE, DELETE ON pgtimewarp.lsn_time_map, pgtimewarp.rebaseline_findings, pgtimewarp.follow_rules TO pgtimewarp_writer;
GRANT INSERT, UPDATE ON pgtimewarp.archive_units TO pgtimewarp_writer;
GRANT INSERT, DELETE ON pgtimewarp.archive_files TO pgtimewarp_writer;
GRANT USAGE ON SEQUENCE pgtimewarp.relation_id_seq TO pgtimewarp_writer;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgtimewarp TO pgtimewarp_admin;
REVOKE INSERT, UPDATE, DELETE ON pgtimewarp.relation_ranges, pgtimewarp.archive_cutoffs FROM pgtimewarp_admin; -- only functions of retention write them
GRANT USAGE ON SEQUENCE pgtimewarp.relation_id_seq, pgtimewarp.relation_leaves_leaf_id_seq, pgtimewarp.history_gaps_id_seq,
  pgtimewarp.health_events_id_seq TO pgtimewarp_admin;
GRANT pgtimewarp_writer TO pgtimewarp_admin;
