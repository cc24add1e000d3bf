-- The store of pgtimewarp: history of tracked tables of any number of source databases ("nodes").
-- History is insert-only: intervals are computed from the order of versions, never stored.

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

CREATE TABLE pgtimewarp.nodes (
  node_id           text PRIMARY KEY CHECK (node_id ~ '^[a-z0-9_]{1,40}$'),
  system_identifier text NOT NULL,
  timeline          int NOT NULL,
  database_name     text NOT NULL,
  slot_name         text NOT NULL,
  plugin            text NOT NULL CHECK (plugin IN ('wal2json', 'pgoutput')),
  -- active | gap (loss recorded, waits for rebaseline) | blocked (poison) | removed (deinit; history stays)
  status            text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'gap', 'blocked', 'removed')),
  status_reason     text,
  created_at        timestamptz NOT NULL DEFAULT now(),
  last_seen         timestamptz,
  version           text,
  meta              jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE pgtimewarp.nodes IS 'One row per observed source database.';

CREATE SEQUENCE pgtimewarp.relation_id_seq AS int;

-- The tables that are tracked now (status "untracked": no longer, history kept), found by name and never by OID.
CREATE TABLE pgtimewarp.tracked_relations (
  node_id            text NOT NULL REFERENCES pgtimewarp.nodes,
  schema_name        text NOT NULL,
  table_name         text NOT NULL,
  relation_id        int NOT NULL UNIQUE DEFAULT nextval('pgtimewarp.relation_id_seq'),
  -- counts LSN spaces of the node: LSNs are comparable only within one (another server behind the name begins a new one)
  lsn_space          int NOT NULL DEFAULT 1,
  relid              oid,
  pk_columns         text[] NOT NULL CHECK (cardinality(pk_columns) > 0),
  -- per key column how its text is made canonical: see core/types/key.ts and pgtimewarp.canonical_key()
  pk_kinds           text[] NOT NULL CHECK (cardinality(pk_kinds) = cardinality(pk_columns)),
  -- [{attnum, name, type_oid, type_name, since_lsn}]: the catalog as of the last run, compared on every run
  columns            jsonb NOT NULL DEFAULT '[]',
  persistence        "char" NOT NULL DEFAULT 'p',
  replica_identity   "char" NOT NULL DEFAULT 'd',
  is_partitioned     boolean NOT NULL DEFAULT false,
  -- L0: complete from here on; null while the start waits for transactions that already touched the table
  tracked_from_lsn   pg_lsn,
  tracked_from_ts    timestamptz,
  -- where tracking ended (untrack); null while it goes on
  tracked_to_lsn     pg_lsn,
  tracked_to_ts      timestamptz,
  -- none: asked for without | pending: rows are being read | done: resolved, every key is decided
  baseline_state     text NOT NULL DEFAULT 'pending' CHECK (baseline_state IN ('none', 'pending', 'done')),
  -- {cursor: key of the last row read, rows, estimated_rows, read_done}
  baseline_progress  jsonb NOT NULL DEFAULT '{}',
  -- position read after the last baseline statement; resolved once the applied LSN has reached it
  baseline_lsn       pg_lsn,
  -- keys without baseline row or change are unknown before this TRUNCATE, which came while the baseline was read
  unseen_unknown_before_lsn pg_lsn,
  unseen_unknown_before_ts  timestamptz,
  -- while starting: {publication_lsn, lockers: […], start_after_lsn}
  start_conditions   jsonb,
  retention          interval,
  excluded_columns   text[] NOT NULL DEFAULT '{}',
  -- starting | active | needs_rebaseline | untracked
  status             text NOT NULL DEFAULT 'starting'
                     CHECK (status IN ('starting', 'active', 'needs_rebaseline', 'untracked')),
  status_reason      text,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, schema_name, table_name)
);

-- Earlier periods of tables that were tracked anew: their history stays readable under its own relation_id.
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

-- Partitions of a tracked root, as the log names them.
CREATE TABLE pgtimewarp.relation_leaves (
  leaf_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  relation_id int NOT NULL,
  schema_name text NOT NULL,
  table_name  text NOT NULL,
  relid       oid,
  attached    boolean NOT NULL DEFAULT true,
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (relation_id, schema_name, table_name)
);

-- One row per change: I, U, D from the log, S from a baseline. An update of the key is a D and an I.
CREATE TABLE pgtimewarp.row_changes (
  valid_from_lsn pg_lsn NOT NULL,
  valid_from_ts  timestamptz NOT NULL,
  xid            bigint,
  -- S only: position read after the statement that read the row; the row is decided once this is applied, and
  -- void when the key has a change in (valid_from_lsn, read_lsn]
  read_lsn       pg_lsn,
  relation_id    int NOT NULL,
  seq            int NOT NULL,
  leaf_id        int,
  op             "char" NOT NULL,
  pk             text COLLATE "C" NOT NULL,
  row_data       json,
  incomplete     text[],
  json_nulls     text[],
  PRIMARY KEY (relation_id, pk, valid_from_lsn, seq)
) PARTITION BY LIST (relation_id);

-- What happens to a relation as a whole: T = truncate (of a leaf when leaf_id is set).
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

-- Strictly increasing in both columns: position to time and back. xid is null for the horizon of a run.
CREATE TABLE pgtimewarp.lsn_time_map (
  node_id   text NOT NULL,
  lsn_space int NOT NULL DEFAULT 1,
  lsn       pg_lsn NOT NULL,
  ts        timestamptz NOT NULL,
  commit_ts timestamptz,
  xid       bigint,
  PRIMARY KEY (node_id, lsn_space, lsn)
);
CREATE UNIQUE INDEX lsn_time_map_by_time ON pgtimewarp.lsn_time_map (node_id, ts) INCLUDE (lsn_space, lsn);

-- What a transaction said about itself: pg_logical_emit_message(true, 'pgtimewarp', '{…}').
CREATE TABLE pgtimewarp.transaction_contexts (
  node_id   text NOT NULL,
  lsn_space int NOT NULL DEFAULT 1,
  lsn       pg_lsn NOT NULL,
  context   json NOT NULL,
  PRIMARY KEY (node_id, lsn_space, lsn)
);

-- The horizon (applied_lsn, applied_ts) and the claim of the running poller.
CREATE TABLE pgtimewarp.wal_checkpoints (
  node_id             text PRIMARY KEY REFERENCES pgtimewarp.nodes,
  slot_name           text NOT NULL,
  lsn_space           int NOT NULL DEFAULT 1,
  applied_lsn         pg_lsn NOT NULL,
  applied_ts          timestamptz NOT NULL,
  -- raised at every claim and compared in every write: a stale run writes nothing
  epoch               bigint NOT NULL DEFAULT 0,
  lease_pid           int,
  lease_backend_start timestamptz,
  lease_until         timestamptz,
  -- when the last run ended, and whether it had reached the end of WAL
  last_run_at         timestamptz,
  last_run_outcome    text,
  caught_up           boolean NOT NULL DEFAULT false,
  -- failed runs in a row at the same position, and why
  failures            int NOT NULL DEFAULT 0,
  failure             jsonb
);

CREATE TABLE pgtimewarp.history_gaps (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node_id     text NOT NULL REFERENCES pgtimewarp.nodes,
  relation_id int,
  lsn_space   int NOT NULL DEFAULT 1,
  -- known up to and including from; known again from and including to (null: not yet)
  from_lsn    pg_lsn NOT NULL,
  to_lsn      pg_lsn,
  from_ts     timestamptz NOT NULL,
  to_ts       timestamptz,
  reason      text NOT NULL,
  detected_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX history_gaps_by_node ON pgtimewarp.history_gaps (node_id, relation_id, from_ts);

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

-- Every period in which a table was tracked, the present one included.
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

-- Makes the partition of a relation. Built beside the parent and then attached, because ATTACH takes a weaker lock on
-- the parent than CREATE TABLE … PARTITION OF (PostgreSQL manual, "ALTER TABLE … ATTACH PARTITION").
CREATE FUNCTION pgtimewarp.create_relation_partition(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text := format('row_changes_r%s', p_relation_id);
BEGIN
  IF to_regclass(format('pgtimewarp.%I', leaf)) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format(
    'CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.row_changes INCLUDING ALL, CHECK (relation_id = %s))',
    leaf, p_relation_id);
  EXECUTE format('ALTER TABLE pgtimewarp.%I SET (autovacuum_vacuum_insert_scale_factor = 0.05, fillfactor = 100)', leaf);
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes ATTACH PARTITION pgtimewarp.%I FOR VALUES IN (%s)',
    leaf, p_relation_id);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', leaf);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', leaf);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', leaf);
END $$;

-- Removes the history of a relation for good.
CREATE FUNCTION pgtimewarp.drop_relation_partition(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('DROP TABLE IF EXISTS pgtimewarp.%I', format('row_changes_r%s', p_relation_id));
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.create_relation_partition(int), pgtimewarp.drop_relation_partition(int) FROM PUBLIC;
GRANT USAGE ON SCHEMA pgtimewarp TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA pgtimewarp TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
GRANT INSERT, UPDATE ON pgtimewarp.nodes, pgtimewarp.tracked_relations, pgtimewarp.past_relations,
  pgtimewarp.relation_leaves, pgtimewarp.wal_checkpoints, pgtimewarp.history_gaps TO pgtimewarp_writer;
GRANT INSERT ON pgtimewarp.row_changes, pgtimewarp.relation_events, pgtimewarp.transaction_contexts,
  pgtimewarp.health_events TO pgtimewarp_writer;
GRANT INSERT, UPDATE, DELETE ON pgtimewarp.lsn_time_map TO pgtimewarp_writer;
GRANT USAGE ON SEQUENCE pgtimewarp.relation_id_seq TO pgtimewarp_writer;
GRANT EXECUTE ON FUNCTION pgtimewarp.create_relation_partition(int) TO pgtimewarp_writer;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgtimewarp TO pgtimewarp_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA pgtimewarp TO pgtimewarp_admin;
GRANT EXECUTE ON FUNCTION pgtimewarp.create_relation_partition(int), pgtimewarp.drop_relation_partition(int)
  TO pgtimewarp_admin;
GRANT pgtimewarp_writer TO pgtimewarp_admin;
