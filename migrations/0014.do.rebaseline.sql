-- Changes that the log does not tell: what the catalog said at the last run, to be compared on the next, and the state of
-- the reading that repairs a table (`pgtimewarp rebaseline`).

ALTER TABLE pgtimewarp.tracked_relations
  -- OID, persistence, file, columns, key and leaves as of the last run (core/run/catalog-facts.ts); null: not read yet
  ADD COLUMN catalog_facts jsonb,
  -- while a repair is asked for or under way: {base_lsn, base_ts, phase, cursor, rows, differences, read_lsn}
  ADD COLUMN repair jsonb;

-- A leaf is the table, not its name: renamed it keeps its id, re-created it gets a new one.
ALTER TABLE pgtimewarp.relation_leaves
  DROP CONSTRAINT relation_leaves_relation_id_schema_name_table_name_key,
  ADD CONSTRAINT relation_leaves_by_oid UNIQUE (relation_id, relid),
  -- the horizon when it was first seen: where a gap begins should it turn out to have come with rows
  ADD COLUMN seen_after_lsn pg_lsn,
  ADD COLUMN seen_after_ts timestamptz,
  -- false until it is known whether it came with rows
  ADD COLUMN checked boolean NOT NULL DEFAULT true;

-- What a repair has found to differ from the history, until it is known which of it holds.
CREATE TABLE pgtimewarp.rebaseline_findings (
  relation_id int NOT NULL,
  pk          text COLLATE "C" NOT NULL,
  leaf_id     int,
  row_data    json,   -- null: the row is gone
  json_nulls  text[],
  PRIMARY KEY (relation_id, pk)
);
GRANT SELECT ON pgtimewarp.rebaseline_findings TO pgtimewarp_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.rebaseline_findings TO pgtimewarp_writer, pgtimewarp_admin;

-- The state of a key within one period as of (p_lsn, p_seq), the changes at that very place included. The caller sees
-- to it that the position lies within the period; p_through is the position up to which the period is complete (its
-- end, or the horizon), p_open says whether it may still grow.
CREATE OR REPLACE FUNCTION pgtimewarp.version_at(
  p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq int, p_through pg_lsn, p_open boolean)
RETURNS pgtimewarp.key_state
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  s pgtimewarp.key_state;
  relation int := p_period.relation_id;
  start pg_lsn := p_period.tracked_from_lsn;
  is_pending boolean := p_period.baseline_state = 'pending' AND p_open;
  ver record;  -- the last change at or before the position
  nxt record;  -- the first one after it
  cut record;  -- the first TRUNCATE after ver (or after the start of tracking)
  seen boolean;
  truncated boolean;
  cut_first boolean; -- the next thing that happens to the key is the TRUNCATE
  told boolean;      -- nothing was lost between the position and nxt, so that nxt says what was there
BEGIN
  SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id, r.read_lsn, r.row_data,
         r.incomplete, r.json_nulls
    INTO ver FROM pgtimewarp.row_changes r
   WHERE r.relation_id = relation AND r.pk = p_pk AND (r.valid_from_lsn, r.seq) <= (p_lsn, p_seq)
   ORDER BY r.valid_from_lsn DESC, r.seq DESC LIMIT 1;
  SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id
    INTO nxt FROM pgtimewarp.row_changes r
   WHERE r.relation_id = relation AND r.pk = p_pk AND (r.valid_from_lsn, r.seq) > (p_lsn, p_seq)
   ORDER BY r.valid_from_lsn, r.seq LIMIT 1;
  -- A baseline row stands at the start of tracking, before everything that happened after it.
  SELECT e.lsn, e.seq, e.ts, e.xid INTO cut FROM pgtimewarp.relation_events e
   WHERE e.relation_id = relation AND e.op = 'T'
     AND (e.lsn, e.seq) > (coalesce(ver.lsn, start), CASE WHEN ver.op <> 'S' THEN ver.seq ELSE 2147483647 END)
     AND (e.leaf_id IS NULL OR e.leaf_id = coalesce(ver.leaf_id, nxt.leaf_id))
   ORDER BY e.lsn, e.seq LIMIT 1;
  truncated := cut.lsn IS NOT NULL AND (cut.lsn, cut.seq) <= (p_lsn, p_seq);
  cut_first := NOT truncated AND cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq));
  told := nxt.lsn IS NOT NULL AND NOT EXISTS (
    SELECT FROM pgtimewarp.history_gaps g
     WHERE g.node_id = p_period.node_id AND g.relation_id = relation AND g.lsn_space = p_period.lsn_space
       AND g.from_lsn >= p_lsn AND g.from_lsn < nxt.lsn);
  s.settled := true;
  IF cut_first THEN
    s.to_lsn := cut.lsn; s.to_ts := cut.ts; s.to_xid := cut.xid;
  ELSE
    s.to_lsn := nxt.lsn; s.to_ts := nxt.ts; s.to_xid := nxt.xid;
  END IF;

  -- A baseline row is what the key held at the start only when no change came between the start and its reading. (A
  -- TRUNCATE there does not void it: had the row been read after the TRUNCATE, there would be an insert after it.)
  seen := ver.lsn IS NOT NULL AND (ver.op <> 'S' OR nxt.lsn IS NULL OR nxt.lsn > ver.read_lsn);
  IF seen AND ver.op = 'S' AND (p_through IS NULL OR p_through < ver.read_lsn) THEN
    s.status := 'unknown'; s.settled := NOT p_open;
    s.reason := CASE WHEN p_open THEN 'baseline_pending' ELSE 'before_tracking' END;
  ELSIF seen THEN
    s.op := ver.op; s.from_lsn := ver.lsn; s.from_seq := ver.seq; s.from_ts := ver.ts; s.from_xid := ver.xid;
    IF s.op = 'D' THEN
      s.status := 'absent'; s.reason := 'deleted';
      s.to_lsn := nxt.lsn; s.to_ts := nxt.ts; s.to_xid := nxt.xid;
    ELSIF truncated THEN
      s.status := 'absent'; s.reason := 'deleted';
      s.op := 'T'; s.from_lsn := cut.lsn; s.from_seq := cut.seq; s.from_ts := cut.ts; s.from_xid := cut.xid;
    ELSE
      s.status := 'found'; s.leaf_id := ver.leaf_id;
      s.row_data := ver.row_data; s.incomplete := ver.incomplete; s.json_nulls := ver.json_nulls;
    END IF;
  ELSIF truncated THEN
    -- Whatever was there at the start is gone. While the baseline is read, a row of before the TRUNCATE may turn up.
    s.status := 'absent'; s.reason := 'not_yet_inserted'; s.settled := NOT is_pending;
  ELSIF told AND nxt.op = 'I' AND NOT cut_first THEN
    s.status := 'absent'; s.reason := 'not_yet_inserted'; -- nothing between the start and an insert: it was not there
  ELSIF told AND nxt.op <> 'I' OR ver.lsn IS NOT NULL THEN
    s.status := 'unknown'; s.reason := 'before_tracking'; -- it was there, as what nobody read in time
  ELSIF is_pending THEN
    s.status := 'unknown'; s.reason := 'baseline_pending'; s.settled := false;
  ELSIF p_period.baseline_state = 'done' AND p_lsn >= coalesce(p_period.unseen_unknown_before_lsn, start) THEN
    s.status := 'absent'; s.reason := 'not_yet_inserted';
  ELSE
    -- As long as the key has no change, one may still come that decides it (an insert).
    s.status := 'unknown'; s.reason := 'before_tracking'; s.settled := nxt.lsn IS NOT NULL OR NOT p_open;
  END IF;
  RETURN s;
END $$;

-- The changes of one key in (from, to], in order, over all periods; S, the row as a period found it, when its period
-- begins inside, or as a repair found it; a D without xid, that a repair found it gone; T, a TRUNCATE that removed the row. `changed` is set for U, and S of a repair, where the row before is known, else NULL.
-- An update of the key is a D under the old key and an I under the new one.
-- Page by page: pass (relation_id, lsn, seq) of the last row received. Runs of the poller only add rows behind it.
CREATE OR REPLACE FUNCTION pgtimewarp.diff_changes(
  p_node_id text, p_schema text, p_table text, p_pk jsonb,
  p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_after_relation_id int, p_after_lsn pg_lsn, p_after_seq int, p_limit int)
RETURNS TABLE (op text, lsn pg_lsn, seq int, ts timestamptz, xid bigint, row_data json, changed json, context json,
               relation_id int)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  place record;
  period pgtimewarp.relation_periods;
  key text;
  before pgtimewarp.key_state;
  resumed boolean;
  start_lsn pg_lsn;
  start_seq int;
  remaining int := coalesce(p_limit, 2147483647);
  e record;
BEGIN
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn) d
     WHERE p_after_relation_id IS NULL OR (d.period).relation_id >= p_after_relation_id
     ORDER BY (d.period).relation_id
  LOOP
    period := place.period;
    relation_id := period.relation_id;
    key := pgtimewarp.canonical_key(period.pk_columns, period.pk_kinds, p_pk);
    resumed := coalesce(relation_id = p_after_relation_id, false);
    start_lsn := CASE WHEN resumed THEN p_after_lsn ELSE place.lower_lsn END;
    start_seq := CASE WHEN resumed THEN p_after_seq ELSE 2147483647 END;
    before := pgtimewarp.version_at(period, key, start_lsn, start_seq, place.through, place.is_open);
    IF place.starts_inside AND NOT resumed AND before.op = 'S' AND remaining > 0 THEN
      op := 'S'; lsn := before.from_lsn; seq := before.from_seq; ts := before.from_ts; xid := NULL;
      row_data := before.row_data; changed := NULL; context := NULL;
      RETURN NEXT;
      remaining := remaining - 1;
    END IF;
    FOR e IN
      (SELECT r.op, r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.leaf_id, r.row_data, r.json_nulls
         FROM pgtimewarp.row_changes r
        WHERE r.relation_id = period.relation_id AND r.pk = key
          AND (r.op <> 'S' OR r.valid_from_lsn > period.tracked_from_lsn)
          AND (r.valid_from_lsn, r.seq) > (start_lsn, start_seq) AND r.valid_from_lsn <= place.upper_lsn
        ORDER BY r.valid_from_lsn, r.seq LIMIT remaining)
      UNION ALL
      SELECT t.op, t.lsn, t.seq, t.ts, t.xid, t.leaf_id, NULL, NULL FROM pgtimewarp.relation_events t
       WHERE t.relation_id = period.relation_id AND t.op = 'T'
         AND (t.lsn, t.seq) > (start_lsn, start_seq) AND t.lsn <= place.upper_lsn
      ORDER BY 2, 3
    LOOP
      EXIT WHEN remaining = 0;
      CONTINUE WHEN e.op = 'T'
        AND (before.status IS DISTINCT FROM 'found' OR e.leaf_id IS NOT NULL AND e.leaf_id IS DISTINCT FROM before.leaf_id);
      op := e.op; lsn := e.lsn; seq := e.seq; ts := e.ts; xid := e.xid; row_data := e.row_data;
      changed := CASE WHEN e.op IN ('U', 'S') AND before.status = 'found'
        THEN pgtimewarp.changed_columns(before.row_data, before.json_nulls, e.row_data, e.json_nulls) END;
      SELECT c.context INTO context FROM pgtimewarp.transaction_contexts c
       WHERE c.node_id = p_node_id AND c.lsn_space = period.lsn_space AND c.lsn = e.lsn;
      RETURN NEXT;
      remaining := remaining - 1;
      before.status := CASE WHEN e.op IN ('D', 'T') THEN 'absent' ELSE 'found' END;
      before.leaf_id := e.leaf_id; before.row_data := e.row_data; before.json_nulls := e.json_nulls;
    END LOOP;
    EXIT WHEN remaining = 0;
  END LOOP;
END $$;

