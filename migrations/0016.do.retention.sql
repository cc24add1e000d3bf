-- Retention: history older than a window is forgotten, every instant inside stays answerable.
--
-- A relation with retention has its partition cut into ranges of valid_from_lsn. Forgetting is three committed steps:
-- the cutoff moves (from then on readers answer `expired` below it), a new lowest range is built beside with what is
-- still valid, and, once no snapshot is left that could miss either, one transaction drops the old ranges and attaches
-- the new one. A reader that began before the exchange and reads after it thus sees the cutoff and the rows: attaching
-- and dropping are not subject to snapshots, rows are.

-- Kept apart from tracked_relations because earlier periods of a table age as well.
CREATE TABLE pgtimewarp.relation_retention (
  relation_id        int PRIMARY KEY,
  -- null: keeps everything from now on; what is expired stays so
  retention          interval,
  -- the oldest instant that can be answered; null: nothing has expired yet
  expired_before_lsn pg_lsn,
  expired_before_ts  timestamptz,
  -- the transaction that moved the cutoff last
  cutoff_xid         xid8,
  -- all of it is older than the window and has been removed
  is_dropped         boolean NOT NULL DEFAULT false
);

-- The ranges of a relation's partition, as the catalog has them: written in the transactions that change it.
CREATE TABLE pgtimewarp.relation_ranges (
  relation_id int NOT NULL,
  table_name  text NOT NULL,
  -- null: from the beginning
  from_lsn    pg_lsn,
  -- exclusive; null: open
  to_lsn      pg_lsn,
  -- a time by which every commit before from_lsn had happened; null while the horizon has not got here
  opened_ts   timestamptz,
  state       text NOT NULL CHECK (state IN ('attached', 'building', 'built')),
  -- holds one version per key: what was valid when it was built
  is_base     boolean NOT NULL DEFAULT false,
  -- while building: done up to this key; deletions stay where they alone tell that a key is known
  built_to_pk text COLLATE "C",
  keeps_deletions boolean NOT NULL DEFAULT false,
  built_xid   xid8,
  PRIMARY KEY (relation_id, table_name)
);
CREATE SEQUENCE pgtimewarp.relation_range_seq AS int;

-- Entries of lsn_time_map before this position (of the present LSN space) have been forgotten.
ALTER TABLE pgtimewarp.wal_checkpoints ADD COLUMN map_from_lsn pg_lsn;

GRANT SELECT ON pgtimewarp.relation_retention, pgtimewarp.relation_ranges
  TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
GRANT INSERT, UPDATE ON pgtimewarp.relation_retention TO pgtimewarp_writer;
GRANT INSERT, UPDATE, DELETE ON pgtimewarp.relation_retention TO pgtimewarp_admin;

-- Makes an empty table of the shape of a range, attached to nothing. Insert-only tables are vacuumed by inserts alone.
CREATE FUNCTION pgtimewarp.retention_new_table(p_relation_id int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text := format('row_changes_r%s_%s', p_relation_id, nextval('pgtimewarp.relation_range_seq'));
BEGIN
  EXECUTE format('CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.%I INCLUDING ALL)',
    name, format('row_changes_r%s', p_relation_id));
  EXECUTE format('ALTER TABLE pgtimewarp.%I SET (autovacuum_vacuum_insert_scale_factor = 0.05, fillfactor = 100)', name);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', name);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', name);
  RETURN name;
END $$;

CREATE FUNCTION pgtimewarp.retention_attach(p_relation_id int, p_table text, p_from pg_lsn, p_to pg_lsn) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('ALTER TABLE pgtimewarp.%I ATTACH PARTITION pgtimewarp.%I FOR VALUES FROM (%s) TO (%s)',
    format('row_changes_r%s', p_relation_id), p_table,
    coalesce(quote_literal(p_from), 'MINVALUE'), coalesce(quote_literal(p_to), 'MAXVALUE'));
END $$;

-- Gives a relation ranges: its leaf becomes the first one, open at both ends, which needs neither a rewrite nor a scan.
CREATE FUNCTION pgtimewarp.retention_convert(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text := format('row_changes_r%s', p_relation_id);
  leaf text := format('row_changes_r%s_%s', p_relation_id, nextval('pgtimewarp.relation_range_seq'));
BEGIN
  IF (SELECT c.relkind FROM pg_class c WHERE c.oid = to_regclass(format('pgtimewarp.%I', name))) IS DISTINCT FROM 'r' THEN
    RETURN;
  END IF;
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes DETACH PARTITION pgtimewarp.%I', name);
  EXECUTE format('ALTER TABLE pgtimewarp.%I RENAME TO %I', name, leaf);
  EXECUTE format(
    'CREATE TABLE pgtimewarp.%I (LIKE pgtimewarp.%I INCLUDING ALL) PARTITION BY RANGE (valid_from_lsn)', name, leaf);
  EXECUTE format('GRANT SELECT, INSERT ON pgtimewarp.%I TO pgtimewarp_writer', name);
  EXECUTE format('GRANT SELECT ON pgtimewarp.%I TO pgtimewarp_reader', name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.%I TO pgtimewarp_admin', name);
  PERFORM pgtimewarp.retention_attach(p_relation_id, leaf, NULL, NULL);
  EXECUTE format('ALTER TABLE pgtimewarp.row_changes ATTACH PARTITION pgtimewarp.%I FOR VALUES IN (%s)', name, p_relation_id);
  INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, opened_ts, state)
  VALUES (p_relation_id, leaf, '-infinity', 'attached');
END $$;

-- Cuts a range at positions past all of its rows: it keeps the part before the first, empty ranges take the others.
-- The server makes sure of the rows by a scan, or by the constraint of retention_check().
CREATE FUNCTION pgtimewarp.retention_split(p_relation_id int, p_table text, p_at pg_lsn[], p_opened_ts timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  name text;
BEGIN
  SELECT * INTO STRICT r FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.table_name = p_table AND g.state = 'attached';
  EXECUTE format('ALTER TABLE pgtimewarp.%I DETACH PARTITION pgtimewarp.%I',
    format('row_changes_r%s', p_relation_id), p_table);
  PERFORM pgtimewarp.retention_attach(p_relation_id, p_table, r.from_lsn, p_at[1]);
  UPDATE pgtimewarp.relation_ranges SET to_lsn = p_at[1] WHERE relation_id = p_relation_id AND table_name = p_table;
  FOR place IN 1 .. cardinality(p_at) LOOP
    name := pgtimewarp.retention_new_table(p_relation_id);
    PERFORM pgtimewarp.retention_attach(p_relation_id, name, p_at[place],
      CASE WHEN place = cardinality(p_at) THEN r.to_lsn ELSE p_at[place + 1] END);
    INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, from_lsn, to_lsn, opened_ts, state)
    VALUES (p_relation_id, name, p_at[place],
      CASE WHEN place = cardinality(p_at) THEN r.to_lsn ELSE p_at[place + 1] END,
      CASE WHEN place = 1 THEN p_opened_ts END, 'attached');
  END LOOP;
  EXECUTE format('ALTER TABLE pgtimewarp.%I DROP CONSTRAINT IF EXISTS pgtimewarp_closing', p_table);
END $$;

-- For ranges too large to be scanned under a lock: a constraint that is checked while others read. Rows past it would
-- be refused, so only the run that holds the node may leave it there, and the next one removes it before it writes.
CREATE FUNCTION pgtimewarp.retention_check(p_relation_id int, p_table text, p_to pg_lsn) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = p_table;
  IF FOUND THEN
    EXECUTE format('ALTER TABLE pgtimewarp.%I ADD CONSTRAINT pgtimewarp_closing CHECK (valid_from_lsn < %L) NOT VALID',
      p_table, p_to);
  END IF;
END $$;

CREATE FUNCTION pgtimewarp.retention_validate(p_relation_id int, p_table text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = p_table;
  IF FOUND THEN
    EXECUTE format('ALTER TABLE pgtimewarp.%I VALIDATE CONSTRAINT pgtimewarp_closing', p_table);
  END IF;
END $$;

-- Removes what a run left that died between retention_check() and retention_split().
CREATE FUNCTION pgtimewarp.retention_repair(p_node_id text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text;
  repaired int := 0;
BEGIN
  FOR name IN
    SELECT g.table_name
      FROM pgtimewarp.relation_periods p
      JOIN pgtimewarp.relation_ranges g ON g.relation_id = p.relation_id
      JOIN pg_constraint k ON k.conrelid = to_regclass(format('pgtimewarp.%I', g.table_name))
                          AND k.conname = 'pgtimewarp_closing'
     WHERE p.node_id = p_node_id
  LOOP
    EXECUTE format('ALTER TABLE pgtimewarp.%I DROP CONSTRAINT pgtimewarp_closing', name);
    repaired := repaired + 1;
  END LOOP;
  RETURN repaired;
END $$;

-- Whether a range has no rows at all.
CREATE FUNCTION pgtimewarp.retention_is_empty(p_table text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  has_row boolean;
BEGIN
  PERFORM FROM pgtimewarp.relation_ranges WHERE table_name = p_table;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM pgtimewarp.%I)', p_table) INTO has_row;
  RETURN NOT has_row;
END $$;

-- What the ranges of a followed relation need next, one thing at a time, before positions up to p_upto are written.
--   convert: it has none yet
--   split:   the range that is being written has been so for an eighth of the window, or is the open one: close it at
--            the horizon (otherwise a quiet table would never forget); or: make ranges ahead, past p_upto, each as wide
--            as the log grows in a tenth of the window. The open one behind them stays empty, so that cutting it is free,
--            and takes what comes unexpectedly.
CREATE FUNCTION pgtimewarp.retention_next(p_relation_id int, p_upto pg_lsn)
RETURNS TABLE (action text, table_name text, at pg_lsn[], opened_ts timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  h record;
  current_range pgtimewarp.relation_ranges;
  last_range pgtimewarp.relation_ranges;
  width numeric;
BEGIN
  SELECT c.node_id, c.lsn_space, c.applied_lsn AS lsn, c.applied_ts AS ts, x.retention INTO h
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id AND c.lsn_space = p.lsn_space
    JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id AND x.retention IS NOT NULL
   WHERE p.relation_id = p_relation_id AND p.tracked_to_lsn IS NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id) THEN
    action := 'convert';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT g.* INTO current_range FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached'
     AND (g.from_lsn IS NULL OR g.from_lsn <= h.lsn) AND (g.to_lsn IS NULL OR g.to_lsn > h.lsn + 1);
  SELECT g.* INTO STRICT last_range FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.to_lsn IS NULL;
  IF (current_range.from_lsn IS NULL AND current_range.to_lsn IS NULL AND current_range.relation_id IS NOT NULL)
     OR (current_range.to_lsn IS NULL OR current_range.opened_ts <= h.ts - h.retention / 8)
        AND NOT pgtimewarp.retention_is_empty(current_range.table_name) THEN
    action := 'split'; table_name := current_range.table_name; at := ARRAY[h.lsn + 1]; opened_ts := h.ts;
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT (h.lsn - m.lsn) / extract(epoch FROM h.ts - m.ts) * extract(epoch FROM h.retention) / 10 INTO width
    FROM pgtimewarp.lsn_time_map m
   WHERE m.node_id = h.node_id AND m.lsn_space = h.lsn_space AND m.ts >= h.ts - h.retention AND m.ts < h.ts
   ORDER BY m.ts LIMIT 1;
  width := greatest(coalesce(width, 16777216), 65536);
  IF last_range.from_lsn < p_upto + width THEN
    -- a backlog gets wider ranges rather than more
    width := ceil(greatest(width, (p_upto + 2 * width - last_range.from_lsn) / 8));
    action := 'split'; table_name := last_range.table_name; opened_ts := NULL;
    at := ARRAY(SELECT last_range.from_lsn + n * width
                  FROM generate_series(1, ceil((p_upto + width - last_range.from_lsn) / width)) n);
    RETURN NEXT;
  END IF;
END $$;

-- Moves the cutoff of a relation to the horizon's time less the window; never back. Returns whether it moved.
CREATE FUNCTION pgtimewarp.retention_advance(p_relation_id int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p pgtimewarp.relation_periods;
  horizon_lsn pg_lsn;
  cut_ts timestamptz;
  cut_lsn pg_lsn;
BEGIN
  SELECT q.* INTO p FROM pgtimewarp.relation_periods q WHERE q.relation_id = p_relation_id;
  SELECT c.applied_lsn, c.applied_ts - x.retention INTO horizon_lsn, cut_ts
    FROM pgtimewarp.wal_checkpoints c, pgtimewarp.relation_retention x
   WHERE c.node_id = p.node_id AND x.relation_id = p_relation_id;
  -- When a range began says more than the map, which keeps no horizons of quiet runs.
  UPDATE pgtimewarp.relation_ranges g
     SET opened_ts = coalesce(
           (SELECT m.ts FROM pgtimewarp.lsn_time_map m
             WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.lsn >= g.from_lsn ORDER BY m.lsn LIMIT 1),
           (SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p.node_id))
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.opened_ts IS NULL AND g.from_lsn <= horizon_lsn
     AND p.tracked_to_lsn IS NULL;
  IF p.tracked_from_ts IS NULL OR cut_ts IS NULL OR cut_ts <= p.tracked_from_ts THEN
    RETURN false;
  END IF;
  SELECT greatest(p.tracked_from_lsn,
           (SELECT m.lsn FROM pgtimewarp.lsn_time_map m
             WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.ts <= cut_ts ORDER BY m.ts DESC LIMIT 1),
           (SELECT max(g.from_lsn - 1) FROM pgtimewarp.relation_ranges g
             WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.opened_ts <= cut_ts)) INTO cut_lsn;
  UPDATE pgtimewarp.relation_retention x
     SET expired_before_ts = cut_ts, expired_before_lsn = greatest(x.expired_before_lsn, cut_lsn),
         cutoff_xid = pg_current_xact_id()
   WHERE x.relation_id = p_relation_id AND (x.expired_before_ts IS NULL OR x.expired_before_ts < cut_ts);
  RETURN FOUND;
END $$;

-- Whether every snapshot on this server, or known to it from a standby, is younger than a committed transaction.
CREATE FUNCTION pgtimewarp.retention_seen_by_all(p_xid xid8) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT NOT EXISTS (
           SELECT FROM pg_stat_activity a
            WHERE a.pid <> pg_backend_pid() AND a.backend_type <> 'autovacuum worker'
              AND (a.datid IS NULL OR a.datname = current_database())
              AND age(a.backend_xmin) >= age(p_xid::xid))
     AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE age(s.xmin) >= age(p_xid::xid))
$$;

-- Begins a new lowest range when one is due. Expired ranges without rows are dropped at once. Returns the name of the
-- table that is being built or waits for its exchange, NULL when nothing is due.
CREATE FUNCTION pgtimewarp.retention_begin_base(p_relation_id int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p pgtimewarp.relation_periods;
  cut pg_lsn;
  name text;
  upper pg_lsn;
  filled boolean := false;
BEGIN
  SELECT g.table_name INTO name FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state <> 'attached';
  IF FOUND THEN
    RETURN name;
  END IF;
  SELECT q.* INTO p FROM pgtimewarp.relation_periods q WHERE q.relation_id = p_relation_id;
  SELECT x.expired_before_lsn INTO cut FROM pgtimewarp.relation_retention x WHERE x.relation_id = p_relation_id;
  IF cut IS NULL OR p.baseline_state = 'pending'
     OR EXISTS (SELECT FROM pgtimewarp.tracked_relations t WHERE t.relation_id = p_relation_id AND t.repair IS NOT NULL) THEN
    RETURN NULL; -- rows of the baseline, or of a repair, are still to come, and may belong below
  END IF;
  FOR name IN
    SELECT g.table_name FROM pgtimewarp.relation_ranges g
     WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND NOT g.is_base AND g.to_lsn <= cut + 1
  LOOP
    IF pgtimewarp.retention_is_empty(name) THEN
      EXECUTE format('DROP TABLE pgtimewarp.%I', name);
      DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = name;
    ELSE
      filled := true;
    END IF;
  END LOOP;
  IF NOT filled THEN
    RETURN NULL;
  END IF;
  SELECT max(g.to_lsn) INTO upper FROM pgtimewarp.relation_ranges g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.to_lsn <= cut + 1;
  name := pgtimewarp.retention_new_table(p_relation_id);
  EXECUTE format('ALTER TABLE pgtimewarp.%I ADD CONSTRAINT base_upper CHECK (valid_from_lsn < %L)', name, upper);
  INSERT INTO pgtimewarp.relation_ranges (relation_id, table_name, to_lsn, opened_ts, state, is_base, built_to_pk, keeps_deletions)
  -- Where not every key was read or seen, a deletion is what tells an absent key from an unknown one.
  VALUES (p_relation_id, name, upper, '-infinity', 'building', true, '',
          p.baseline_state <> 'done' OR coalesce(p.unseen_unknown_before_lsn >= upper, false));
  RETURN name;
END $$;

-- Carries the next keys into the new lowest range: the last version of each before its upper end, unless it is gone.
-- Returns whether all keys are carried. History below the cutoff does not change, so it can go on in another run.
CREATE FUNCTION pgtimewarp.retention_build(p_relation_id int, p_rows int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET jit = off AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  last_pk text COLLATE "C";
BEGIN
  SELECT * INTO r FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state <> 'attached' FOR UPDATE;
  IF NOT FOUND OR r.state = 'built' THEN
    RETURN true;
  END IF;
  EXECUTE format(
    'SELECT c.pk FROM pgtimewarp.row_changes c WHERE c.relation_id = %s AND c.valid_from_lsn < %L AND c.pk > %L
      ORDER BY c.pk OFFSET %s LIMIT 1', p_relation_id, r.to_lsn, r.built_to_pk, p_rows) INTO last_pk;
  EXECUTE format(
    'INSERT INTO pgtimewarp.%I (valid_from_lsn, valid_from_ts, xid, read_lsn, relation_id, seq, leaf_id, op, pk, row_data,
            incomplete, json_nulls)
     SELECT v.valid_from_lsn, v.valid_from_ts, v.xid, v.read_lsn, v.relation_id, v.seq, v.leaf_id, v.op, v.pk, v.row_data,
            v.incomplete, v.json_nulls
       FROM (SELECT DISTINCT ON (c.pk) c.valid_from_lsn, c.valid_from_ts, c.xid, c.read_lsn, c.relation_id, c.seq,
                    c.leaf_id, c.op, c.pk, c.row_data, c.incomplete, c.json_nulls
               FROM pgtimewarp.row_changes c
              WHERE c.relation_id = %s AND c.valid_from_lsn < %L AND c.pk > %L %s
              ORDER BY c.pk, c.valid_from_lsn DESC, c.seq DESC) v
      WHERE %L OR v.op <> ''D'' AND NOT EXISTS (
            SELECT FROM pgtimewarp.relation_events e
             WHERE e.relation_id = %s AND e.op = ''T'' AND e.lsn < %L
               AND (e.lsn, e.seq) > (v.valid_from_lsn, CASE WHEN v.op <> ''S'' THEN v.seq ELSE 2147483647 END)
               AND (e.leaf_id IS NULL OR e.leaf_id = v.leaf_id))
      ORDER BY v.pk',
    r.table_name, p_relation_id, r.to_lsn, r.built_to_pk,
    CASE WHEN last_pk IS NOT NULL THEN format('AND c.pk <= %L', last_pk) END,
    r.keeps_deletions, p_relation_id, r.to_lsn);
  UPDATE pgtimewarp.relation_ranges
     SET built_to_pk = coalesce(last_pk, built_to_pk), state = CASE WHEN last_pk IS NULL THEN 'built' ELSE state END,
         built_xid = CASE WHEN last_pk IS NULL THEN pg_current_xact_id() END
   WHERE relation_id = p_relation_id AND table_name = r.table_name;
  RETURN last_pk IS NULL;
END $$;

-- Exchanges the expired ranges for the new lowest one. Returns how many were dropped; NULL: not ready, or an older
-- snapshot is left that does not see the new rows.
CREATE FUNCTION pgtimewarp.retention_exchange(p_relation_id int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  name text;
  dropped int := 0;
BEGIN
  SELECT * INTO r FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state = 'built' FOR UPDATE;
  IF NOT FOUND OR NOT pgtimewarp.retention_seen_by_all(r.built_xid) THEN
    RETURN NULL;
  END IF;
  FOR name IN
    SELECT g.table_name FROM pgtimewarp.relation_ranges g
     WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND g.to_lsn <= r.to_lsn
     ORDER BY g.from_lsn NULLS FIRST
  LOOP
    EXECUTE format('DROP TABLE pgtimewarp.%I', name);
    DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id AND table_name = name;
    dropped := dropped + 1;
  END LOOP;
  PERFORM pgtimewarp.retention_attach(p_relation_id, r.table_name, NULL, r.to_lsn);
  UPDATE pgtimewarp.relation_ranges SET state = 'attached', built_to_pk = NULL, built_xid = NULL
   WHERE relation_id = p_relation_id AND table_name = r.table_name;
  IF NOT r.keeps_deletions THEN
    DELETE FROM pgtimewarp.relation_events WHERE relation_id = p_relation_id AND op = 'T' AND lsn < r.to_lsn;
  END IF;
  RETURN dropped;
END $$;

-- Removes the history of a period that lies before the window as a whole. Returns false while a snapshot is left that
-- does not see the cutoff.
CREATE FUNCTION pgtimewarp.retention_drop_period(p_relation_id int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  expired xid8;
BEGIN
  SELECT x.cutoff_xid INTO expired
    FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
   WHERE x.relation_id = p_relation_id AND x.expired_before_ts > p.tracked_to_ts AND NOT x.is_dropped;
  IF NOT FOUND OR NOT pgtimewarp.retention_seen_by_all(expired) THEN
    RETURN false;
  END IF;
  PERFORM pgtimewarp.drop_relation_partition(p_relation_id);
  DELETE FROM pgtimewarp.relation_events WHERE relation_id = p_relation_id;
  UPDATE pgtimewarp.relation_retention SET is_dropped = true WHERE relation_id = p_relation_id;
  RETURN true;
END $$;

CREATE OR REPLACE FUNCTION pgtimewarp.drop_relation_partition(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT g.table_name FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state <> 'attached'
  LOOP
    EXECUTE format('DROP TABLE IF EXISTS pgtimewarp.%I', name);
  END LOOP;
  EXECUTE format('DROP TABLE IF EXISTS pgtimewarp.%I', format('row_changes_r%s', p_relation_id));
  DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id;
END $$;

-- Forgets the map as far as no relation of the node can be asked any more; up to p_rows of it, the oldest first. The
-- map belongs to all relations: the longest window decides, and one without a window keeps all of it.
CREATE FUNCTION pgtimewarp.retention_cut_map(p_node_id text, p_rows int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  anchor timestamptz;
  space int;
  upper pg_lsn;
  forgotten int;
BEGIN
  -- The last entry before the oldest cutoff stays: it is the position of that instant.
  SELECT max(m.ts) INTO anchor
    FROM (SELECT min(coalesce(x.expired_before_ts, p.tracked_from_ts)) AS ts
            FROM pgtimewarp.relation_periods p
            LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
           WHERE p.node_id = p_node_id AND p.tracked_from_ts IS NOT NULL AND x.is_dropped IS NOT TRUE
          HAVING count(x.expired_before_ts) > 0) oldest
    JOIN LATERAL (SELECT l.ts FROM pgtimewarp.lsn_time_map l WHERE l.node_id = p_node_id AND l.ts <= oldest.ts
                   ORDER BY l.ts DESC LIMIT 1) m ON true;
  SELECT c.lsn_space INTO space FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id;
  WITH gone AS (
    DELETE FROM pgtimewarp.lsn_time_map d
     USING (SELECT o.ts FROM pgtimewarp.lsn_time_map o WHERE o.node_id = p_node_id AND o.ts < anchor ORDER BY o.ts LIMIT p_rows) o
     WHERE d.node_id = p_node_id AND d.ts = o.ts
    RETURNING d.lsn_space, d.lsn)
  SELECT count(*), max(g.lsn) FILTER (WHERE g.lsn_space = space) INTO forgotten, upper FROM gone g;
  UPDATE pgtimewarp.wal_checkpoints SET map_from_lsn = greatest(map_from_lsn, upper + 1)
   WHERE node_id = p_node_id AND upper IS NOT NULL;
  RETURN forgotten;
END $$;

-- The reading side, as in 0002 and 0003, with the cutoff.
CREATE OR REPLACE FUNCTION pgtimewarp.asof_answer(
  p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamptz, p_at_lsn pg_lsn, p_requested text)
RETURNS TABLE (status text, reason text, final boolean, answer json)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  by_lsn boolean := p_at_lsn IS NOT NULL;
  -- "now" is whatever is known last; it is never final, however the clocks of the servers differ
  at_ts timestamptz := CASE WHEN by_lsn THEN NULL ELSE coalesce(p_at_ts, 'infinity') END;
  period pgtimewarp.relation_periods;
  horizon record;    -- of the node, and the period
  at_space int;      -- where the instant lies
  at_lsn pg_lsn;
  started boolean;
  is_open boolean;   -- the period may still grow
  through pg_lsn;
  key_values text[];
  v pgtimewarp.key_state; -- stays NULL in all members while nothing is known
  context json;
  cutoff pgtimewarp.relation_retention; -- NULL in all members while nothing has expired
  oldest text := '';
BEGIN
  -- The period that had begun last at the instant; without one, the first that has begun at all.
  SELECT p AS period, c.lsn_space, c.applied_lsn, c.applied_ts INTO horizon
    FROM pgtimewarp.relation_periods p LEFT JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
   ORDER BY coalesce(CASE WHEN by_lsn THEN (p.lsn_space, p.tracked_from_lsn) <= (c.lsn_space, p_at_lsn)
                          ELSE p.tracked_from_ts <= at_ts END, false) DESC,
            p.tracked_from_ts DESC NULLS LAST
   LIMIT 1;
  period := horizon.period;
  IF period.relation_id IS NULL THEN
    PERFORM pgtimewarp.raise_not_tracked(p_node_id, p_schema, p_table);
  END IF;
  key_values := pgtimewarp.canonical_key_values(period.pk_columns, period.pk_kinds, p_pk);
  SELECT x.* INTO cutoff FROM pgtimewarp.relation_retention x
   WHERE x.relation_id = period.relation_id AND x.expired_before_ts IS NOT NULL;

  IF by_lsn THEN
    final := p_at_lsn <= horizon.applied_lsn;
    started := (period.lsn_space, period.tracked_from_lsn) <= (horizon.lsn_space, p_at_lsn);
    at_space := horizon.lsn_space;
    SELECT m.lsn INTO at_lsn FROM pgtimewarp.lsn_time_map m
     WHERE m.node_id = p_node_id AND m.lsn_space = horizon.lsn_space AND m.lsn <= p_at_lsn ORDER BY m.lsn DESC LIMIT 1;
  ELSE
    final := at_ts <= horizon.applied_ts;
    started := period.tracked_from_ts <= at_ts;
    IF at_ts >= horizon.applied_ts THEN
      at_space := horizon.lsn_space; at_lsn := horizon.applied_lsn;
    ELSE
      SELECT m.lsn_space, m.lsn INTO at_space, at_lsn FROM pgtimewarp.lsn_time_map m
       WHERE m.node_id = p_node_id AND m.ts <= at_ts ORDER BY m.ts DESC LIMIT 1;
    END IF;
  END IF;
  final := coalesce(final, false);
  started := coalesce(started, false);
  is_open := period.tracked_to_lsn IS NULL AND period.lsn_space = horizon.lsn_space;
  through := CASE WHEN is_open THEN horizon.applied_lsn ELSE period.tracked_to_lsn END;

  IF NOT started THEN
    status := 'unknown';
    IF period.tracked_from_lsn IS NULL THEN
      reason := 'baseline_pending'; final := false;
    ELSE
      reason := 'before_tracking';
    END IF;
  ELSIF (by_lsn AND (period.lsn_space < horizon.lsn_space OR p_at_lsn > period.tracked_to_lsn))
     OR at_ts > period.tracked_to_ts
     OR EXISTS (SELECT FROM pgtimewarp.history_gaps g
                 WHERE g.node_id = p_node_id AND (g.relation_id IS NULL OR g.relation_id = period.relation_id)
                   AND CASE WHEN by_lsn THEN g.lsn_space = horizon.lsn_space AND g.from_lsn < p_at_lsn
                                             AND (g.to_lsn IS NULL OR p_at_lsn < g.to_lsn)
                            ELSE g.from_ts < at_ts AND (g.to_ts IS NULL OR at_ts < g.to_ts) END) THEN
    status := 'unknown'; reason := 'in_gap';
  ELSIF (by_lsn AND p_at_lsn < cutoff.expired_before_lsn) OR at_ts < cutoff.expired_before_ts THEN
    status := 'unknown'; reason := 'expired';
    oldest := format(',"oldest":{"lsn":"%s","ts":%s}', cutoff.expired_before_lsn,
                     pgtimewarp.json_instant(cutoff.expired_before_ts));
  ELSE
    -- The map forgets horizons of earlier runs, so that its last entry may precede the start of tracking.
    IF at_space IS DISTINCT FROM period.lsn_space OR at_lsn IS NULL OR at_lsn < period.tracked_from_lsn THEN
      at_lsn := period.tracked_from_lsn;
    END IF;
    at_lsn := greatest(at_lsn, cutoff.expired_before_lsn); -- older entries of the map may be gone
    v := pgtimewarp.version_at(period, array_to_json(key_values)::text, at_lsn, 2147483647, through, is_open);
    status := v.status; reason := v.reason; final := final AND v.settled;
    -- Whether and when a row was removed before the window is forgotten. Said from the moment the cutoff passes it, so
    -- that the answer does not depend on which ranges have been dropped.
    IF status = 'absent' AND cutoff.relation_id IS NOT NULL
       AND (reason = 'not_yet_inserted' OR v.from_lsn <= cutoff.expired_before_lsn) THEN
      reason := 'not_in_window';
      v.op := NULL; v.from_lsn := NULL; v.from_seq := NULL; v.from_ts := NULL; v.from_xid := NULL;
      v.to_lsn := NULL; v.to_ts := NULL; v.to_xid := NULL;
      SELECT r.valid_from_lsn, r.valid_from_ts, r.xid INTO v.to_lsn, v.to_ts, v.to_xid
        FROM pgtimewarp.row_changes r
       WHERE r.relation_id = period.relation_id AND r.pk = array_to_json(key_values)::text AND r.valid_from_lsn > at_lsn
       ORDER BY r.valid_from_lsn, r.seq LIMIT 1;
    END IF;
    IF v.from_xid IS NOT NULL THEN
      SELECT t.context INTO context FROM pgtimewarp.transaction_contexts t
       WHERE t.node_id = p_node_id AND t.lsn_space = period.lsn_space AND t.lsn = v.from_lsn;
    END IF;
  END IF;

  IF status = 'unknown' THEN
    v := NULL; -- the answer says nothing about when ignorance began or ends
  END IF;
  answer := format(
    '{"status":"%s","reason":%s,"schema":%s,"table":%s,"pk":%s,"row":%s,"op":%s,"incomplete":%s,"context":%s,'
    '"valid_from":%s,"valid_to":%s,"as_of":{"requested":%s,"lsn":%s},"horizon":{"lsn":%s,"ts":%s},"final":%s%s}',
    status, coalesce('"' || reason || '"', 'null'), to_json(p_schema), to_json(p_table),
    pgtimewarp.json_object_of(period.pk_columns, key_values),
    coalesce(v.row_data::text, 'null'), coalesce('"' || v.op::text || '"', 'null'),
    coalesce(array_to_json(v.incomplete)::text, '[]'), coalesce(context::text, 'null'),
    pgtimewarp.json_commit(v.from_lsn, v.from_ts, v.from_xid), pgtimewarp.json_commit(v.to_lsn, v.to_ts, v.to_xid),
    coalesce(to_json(p_requested)::text, pgtimewarp.json_instant(coalesce(p_at_ts, statement_timestamp()))),
    coalesce('"' || at_lsn || '"', 'null'), coalesce('"' || horizon.applied_lsn || '"', 'null'),
    pgtimewarp.json_instant(horizon.applied_ts), final::text, oldest);
  RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION pgtimewarp.diff_periods(
  p_node_id text, p_schema text, p_table text,
  p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn)
RETURNS TABLE (
  period pgtimewarp.relation_periods, starts_inside boolean, lower_lsn pg_lsn, upper_lsn pg_lsn,
  through pg_lsn, is_open boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT p, (b.from_lsn IS NULL OR b.from_lsn < p.tracked_from_lsn) AND x.expired_before_lsn IS NULL,
         greatest(b.from_lsn, p.tracked_from_lsn, x.expired_before_lsn),
         least(b.to_lsn, b.through), b.through, b.is_open
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
   CROSS JOIN LATERAL (SELECT p.tracked_to_lsn IS NULL AND p.lsn_space = c.lsn_space AS is_open) o
   CROSS JOIN LATERAL (
         SELECT o.is_open, CASE WHEN o.is_open THEN c.applied_lsn ELSE p.tracked_to_lsn END AS through,
                CASE WHEN p_from_lsn IS NOT NULL THEN
                       CASE WHEN p.lsn_space = c.lsn_space THEN p_from_lsn ELSE 'FFFFFFFF/FFFFFFFF' END
                     -- the map may have no entry as late as the start of tracking: it forgets horizons of earlier runs
                     WHEN p_from_ts >= p.tracked_from_ts THEN
                       greatest(p.tracked_from_lsn, (
                         SELECT m.lsn FROM pgtimewarp.lsn_time_map m
                          WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.ts <= p_from_ts
                          ORDER BY m.ts DESC LIMIT 1)) END AS from_lsn,
                CASE WHEN p_to_lsn IS NOT NULL AND p.lsn_space = c.lsn_space THEN p_to_lsn
                     WHEN p_to_ts < coalesce(p.tracked_to_ts, c.applied_ts) THEN
                       greatest(p.tracked_from_lsn, (
                         SELECT m.lsn FROM pgtimewarp.lsn_time_map m
                          WHERE m.node_id = p.node_id AND m.lsn_space = p.lsn_space AND m.ts <= p_to_ts
                          ORDER BY m.ts DESC LIMIT 1))
                     ELSE 'FFFFFFFF/FFFFFFFF' END AS to_lsn) b
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
     AND p.tracked_from_lsn IS NOT NULL AND x.is_dropped IS NOT TRUE
     AND (p_to_ts IS NULL OR p.tracked_from_ts <= p_to_ts)
     AND (p_to_lsn IS NULL OR (p.lsn_space, p.tracked_from_lsn) <= (c.lsn_space, p_to_lsn))
     AND (p_from_ts IS NULL OR p.tracked_to_ts IS NULL OR p.tracked_to_ts >= p_from_ts)
     AND (p_from_lsn IS NULL OR p.lsn_space = c.lsn_space AND (p.tracked_to_lsn IS NULL OR p.tracked_to_lsn >= p_from_lsn))
$$;

CREATE OR REPLACE FUNCTION pgtimewarp.diff_frame(
  p_node_id text, p_schema text, p_table text, p_pk jsonb,
  p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn)
RETURNS TABLE (from_ts timestamptz, to_ts timestamptz, horizon_lsn pg_lsn, horizon_ts timestamptz, unknown json, final boolean)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  space int;
  place record;
  period pgtimewarp.relation_periods;
  state pgtimewarp.key_state;
  settled boolean := true;
  first_ts timestamptz;
  holes pgtimewarp.hole[] := '{}';
BEGIN
  IF NOT EXISTS (SELECT FROM pgtimewarp.relation_periods p
                  WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table) THEN
    PERFORM pgtimewarp.raise_not_tracked(p_node_id, p_schema, p_table);
  END IF;
  SELECT c.lsn_space, c.applied_lsn, c.applied_ts INTO space, horizon_lsn, horizon_ts
    FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id;
  SELECT min(p.tracked_from_ts) INTO first_ts FROM pgtimewarp.relation_periods p
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table;
  from_ts := CASE WHEN p_from_lsn IS NULL THEN coalesce(p_from_ts, first_ts)
                  ELSE pgtimewarp.time_at(p_node_id, space, p_from_lsn) END;
  to_ts := CASE WHEN p_to_lsn IS NULL THEN coalesce(p_to_ts, greatest(horizon_ts, from_ts))
                ELSE pgtimewarp.time_at(p_node_id, space, p_to_lsn) END;
  IF from_ts > to_ts AND (p_from_ts IS NOT NULL OR p_from_lsn IS NOT NULL) OR p_from_lsn > p_to_lsn THEN
    RAISE EXCEPTION 'the interval ends before it begins' USING ERRCODE = 'TW004';
  END IF;
  from_ts := least(from_ts, to_ts); -- asked up to a time before tracking

  -- Where no period was running. A key is checked against every period, even one that the question does not touch.
  FOR period IN
    SELECT p.* FROM pgtimewarp.relation_periods p
     WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
  LOOP
    PERFORM pgtimewarp.canonical_key_values(period.pk_columns, period.pk_kinds, p_pk);
  END LOOP;
  holes := holes || ROW(tstzrange('-infinity', first_ts, '()'),
    CASE WHEN first_ts IS NULL THEN 'baseline_pending' ELSE 'before_tracking' END)::pgtimewarp.hole;
  settled := first_ts IS NOT NULL;
  holes := holes || ARRAY(
    SELECT ROW(tstzrange(b.tracked_to_ts, b.next_ts, '()'), 'in_gap')::pgtimewarp.hole
      FROM (SELECT p.tracked_to_ts, lead(p.tracked_from_ts) OVER (ORDER BY p.tracked_from_ts) AS next_ts
              FROM pgtimewarp.relation_periods p
             WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
               AND p.tracked_from_ts IS NOT NULL) b
     WHERE b.tracked_to_ts < b.next_ts OR b.tracked_to_ts IS NOT NULL AND b.next_ts IS NULL
    UNION ALL
    SELECT ROW(tstzrange(g.from_ts, g.to_ts, '()'), 'in_gap')::pgtimewarp.hole
      FROM pgtimewarp.history_gaps g
     WHERE g.node_id = p_node_id
       AND (g.relation_id IS NULL OR g.relation_id IN (
             SELECT p.relation_id FROM pgtimewarp.relation_periods p
              WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table)));
  -- Where the key itself is unknown at the beginning of a period.
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn) d
  LOOP
    period := place.period;
    state := pgtimewarp.version_at(period, pgtimewarp.canonical_key(period.pk_columns, period.pk_kinds, p_pk),
      place.lower_lsn, 2147483647, place.through, place.is_open);
    settled := settled AND state.settled;
    IF state.status = 'unknown' THEN
      holes := holes || ROW(
        tstzrange(period.tracked_from_ts, coalesce(state.to_ts, period.tracked_to_ts), '[)'), state.reason)::pgtimewarp.hole;
    END IF;
  END LOOP;
  -- What has left the window. A change at its very edge is not listed, since the row before it is forgotten.
  holes := holes || ARRAY(
    SELECT ROW(tstzrange(p.tracked_from_ts, least(x.expired_before_ts, p.tracked_to_ts), '[)'), 'expired')::pgtimewarp.hole
      FROM pgtimewarp.relation_periods p JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
     WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
       AND x.expired_before_ts IS NOT NULL);

  SELECT coalesce(json_agg(json_build_object('from', pgtimewarp.json_instant(lower(r))::json,
                                             'to', pgtimewarp.json_instant(upper(r))::json, 'reason', reason)
                           ORDER BY lower(r), reason), '[]')
    INTO unknown
    FROM (SELECT h.reason, unnest(range_agg(h.span * tstzrange(from_ts, to_ts, '[]'))) AS r
            FROM unnest(holes) h GROUP BY h.reason) merged;
  final := coalesce(settled AND CASE WHEN p_to_lsn IS NULL THEN to_ts <= horizon_ts ELSE p_to_lsn <= horizon_lsn END, false);
  RETURN NEXT;
END $$;

DO $$
DECLARE
  signature regprocedure;
BEGIN
  FOR signature IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pgtimewarp'::regnamespace AND p.proname LIKE 'retention\_%'
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    IF signature::text !~ 'retention_(new_table|attach)\(' THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgtimewarp_writer, pgtimewarp_admin', signature);
    END IF;
  END LOOP;
END $$;
