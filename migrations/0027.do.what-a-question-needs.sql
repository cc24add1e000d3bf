-- A question locks what it reads, and nothing else.
--
-- A statement that learns only while it runs which table it is about locks every partition of row_changes, of every table,
-- with its indexes: 2,058 locks where 1,014 partitions are, and eight such sessions leave the server without memory for locks. So
-- the relation stands in the text of each statement, and PostgreSQL leaves the others out while it plans. Where planning
-- would take longer than answering, the plan is kept in a function of the relation's own. (docs/decisions/0024-own-locks.md)

-- The state of a key within one period as of (p_lsn, p_seq), the changes at that very place included. The caller sees
-- to it that the position lies within the period; p_through is the position up to which the period is complete (its
-- end, or the horizon), p_open says whether it may still grow.
CREATE OR REPLACE FUNCTION pgtimewarp.version_at(
  p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq int, p_through pg_lsn, p_open boolean)
RETURNS pgtimewarp.key_state
LANGUAGE plpgsql STABLE AS $$
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
  EXECUTE format(
    'SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id, r.read_lsn, r.row_data,
            r.incomplete, r.json_nulls, r.nulls_assumed
       FROM pgtimewarp.row_changes r
      WHERE r.relation_id = %s AND r.pk = $1 AND r.valid_from_lsn <= $2 AND (r.valid_from_lsn, r.seq) <= ($2, $3)
      ORDER BY r.valid_from_lsn DESC, r.seq DESC LIMIT 1', relation) INTO ver USING p_pk, p_lsn, p_seq;
  EXECUTE format(
    'SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id
       FROM pgtimewarp.row_changes r
      WHERE r.relation_id = %s AND r.pk = $1 AND r.valid_from_lsn >= $2 AND (r.valid_from_lsn, r.seq) > ($2, $3)
      ORDER BY r.valid_from_lsn, r.seq LIMIT 1', relation) INTO nxt USING p_pk, p_lsn, p_seq;
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
      s.nulls_assumed := ver.nulls_assumed;
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

-- The answer to one question. What an application said of a transaction is forgotten when the cutoff passes it.
CREATE OR REPLACE FUNCTION pgtimewarp.asof_answer(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamp with time zone, p_at_lsn pg_lsn, p_requested text) RETURNS TABLE(status text, reason text, final boolean, answer json)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
  assumes text := '';
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
  final := coalesce(final, false) AND NOT EXISTS (
    SELECT FROM pgtimewarp.relation_leaves l
     WHERE l.relation_id = period.relation_id AND l.attached AND NOT l.checked
       AND CASE WHEN by_lsn THEN l.seen_after_lsn < p_at_lsn ELSE l.seen_after_ts < at_ts END);
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
    final := final AND NOT (by_lsn AND p_at_lsn = horizon.applied_lsn); -- while nothing is written it may end right here
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
      EXECUTE format(
        'SELECT r.valid_from_lsn, r.valid_from_ts, r.xid
           FROM pgtimewarp.row_changes r
          WHERE r.relation_id = %s AND r.pk = $1 AND r.valid_from_lsn > $2
          ORDER BY r.valid_from_lsn, r.seq LIMIT 1', period.relation_id)
         INTO v.to_lsn, v.to_ts, v.to_xid USING array_to_json(key_values)::text, at_lsn;
    END IF;
    IF status = 'found' THEN
      v.incomplete := pgtimewarp.incomplete_at(period.relation_id, v.incomplete, p_at_lsn, at_ts);
      assumes := CASE WHEN v.nulls_assumed THEN ',"assumes":"no-nan"' ELSE '' END;
    END IF;
    IF v.from_xid IS NOT NULL AND (v.from_lsn <= cutoff.expired_before_lsn) IS NOT TRUE THEN
      SELECT t.context INTO context FROM pgtimewarp.transaction_contexts t
       WHERE t.node_id = p_node_id AND t.lsn_space = period.lsn_space AND t.lsn = v.from_lsn;
    END IF;
  END IF;

  IF status = 'unknown' THEN
    v := NULL; -- the answer says nothing about when ignorance began or ends
  END IF;
  answer := format(
    '{"status":"%s","reason":%s,"schema":%s,"table":%s,"pk":%s,"row":%s,"op":%s,"incomplete":%s,"context":%s,'
    '"valid_from":%s,"valid_to":%s,"as_of":{"requested":%s,"lsn":%s},"horizon":{"lsn":%s,"ts":%s},"final":%s%s%s}',
    status, coalesce('"' || reason || '"', 'null'), to_json(p_schema), to_json(p_table),
    pgtimewarp.json_object_of(period.pk_columns, key_values),
    coalesce(v.row_data::text, 'null'), coalesce('"' || v.op::text || '"', 'null'),
    coalesce(array_to_json(v.incomplete)::text, '[]'), coalesce(context::text, 'null'),
    pgtimewarp.json_commit(v.from_lsn, v.from_ts, v.from_xid), pgtimewarp.json_commit(v.to_lsn, v.to_ts, v.to_xid),
    coalesce(to_json(p_requested)::text, pgtimewarp.json_instant(coalesce(p_at_ts, statement_timestamp()))),
    coalesce('"' || at_lsn || '"', 'null'), coalesce('"' || horizon.applied_lsn || '"', 'null'),
    pgtimewarp.json_instant(horizon.applied_ts), final::text, oldest, assumes);
  RETURN NEXT;
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
               relation_id int, incomplete text[], assumes text)
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
      incomplete := pgtimewarp.incomplete_at(relation_id, before.incomplete, NULL, ts); assumes := NULL;
      RETURN NEXT;
      remaining := remaining - 1;
    END IF;
    FOR e IN EXECUTE format(
      '(SELECT r.op, r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.leaf_id, r.row_data, r.json_nulls,
               r.incomplete, r.nulls_assumed
          FROM pgtimewarp.row_changes r
         WHERE r.relation_id = %1$s AND r.pk = $1 AND (r.op <> ''S'' OR r.valid_from_lsn > $2)
           AND r.valid_from_lsn >= $3 AND (r.valid_from_lsn, r.seq) > ($3, $4) AND r.valid_from_lsn <= $5
         ORDER BY r.valid_from_lsn, r.seq LIMIT $6)
       UNION ALL
       SELECT t.op, t.lsn, t.seq, t.ts, t.xid, t.leaf_id, NULL, NULL, NULL, NULL
         FROM pgtimewarp.relation_events t
        WHERE t.relation_id = %1$s AND t.op = ''T'' AND (t.lsn, t.seq) > ($3, $4) AND t.lsn <= $5
       ORDER BY 2, 3', relation_id)
      USING key, period.tracked_from_lsn, start_lsn, start_seq, place.upper_lsn, remaining
    LOOP
      EXIT WHEN remaining = 0;
      CONTINUE WHEN e.op = 'T'
        AND (before.status IS DISTINCT FROM 'found' OR e.leaf_id IS NOT NULL AND e.leaf_id IS DISTINCT FROM before.leaf_id);
      op := e.op; lsn := e.lsn; seq := e.seq; ts := e.ts; xid := e.xid; row_data := e.row_data;
      incomplete := CASE WHEN e.op NOT IN ('D', 'T')
                         THEN pgtimewarp.incomplete_at(relation_id, e.incomplete, NULL, e.ts) END;
      assumes := CASE WHEN e.nulls_assumed THEN 'no-nan' END;
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

REVOKE ALL ON FUNCTION
  pgtimewarp.diff_changes(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, int, pg_lsn, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  pgtimewarp.diff_changes(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, int, pg_lsn, int, int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;

-- What is known of a table and its node while questions about it are plain: the period that is still going on, and the
-- instants of which it is certain that they lie in it.
CREATE TYPE pgtimewarp.plain_facts AS (
  relation_id int, lsn_space int, pk_columns text[], pk_kinds text[], applied_lsn pg_lsn, applied_ts timestamptz,
  start_lsn pg_lsn, from_lsn pg_lsn, from_ts timestamptz, to_lsn pg_lsn, to_ts timestamptz, truncated_lsn pg_lsn,
  table_members text, key_member text, horizon_member text
);

-- Makes the function that answers the questions about one relation that are plain, asof_each_r<id>(), and leaves the others to
-- asof_answer(). Its statement is planned once for a session: planning takes longer than answering. Its cost is overestimated
-- by orders of magnitude, which must not have it compiled, nor its look-ups remembered: none comes twice. It is called by
-- asof_each() alone, which has set the path.
CREATE FUNCTION pgtimewarp.create_relation_function(p_relation_id int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $create$
DECLARE
  name text := format('pgtimewarp.asof_each_r%s', p_relation_id);
BEGIN
  EXECUTE format($f$
CREATE OR REPLACE FUNCTION %2$s(
  f pgtimewarp.plain_facts, p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamptz[],
  p_at_lsn pg_lsn[], p_requested text[])
RETURNS TABLE (status text, reason text, final boolean, answer text)
LANGUAGE plpgsql STABLE ROWS 10
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_memoize = off AS $$
#variable_conflict use_column
BEGIN
  -- OFFSET 0 keeps what is computed once from being computed wherever it is used.
  RETURN QUERY
    SELECT a.status, a.reason, a.final, a.answer
      FROM (SELECT s.place, p_pks[s.place] AS pk, p_at_ts[s.place] AS at_ts, p_at_lsn[s.place] AS at_lsn,
                   CASE WHEN p_at_lsn[s.place] IS NOT NULL THEN p_at_lsn[s.place] BETWEEN f.from_lsn AND f.to_lsn
                        ELSE coalesce(p_at_ts[s.place], 'infinity') BETWEEN f.from_ts AND f.to_ts END AS is_inside
              FROM generate_subscripts(p_pks, 1) AS s (place)
            OFFSET 0) AS q
     CROSS JOIN LATERAL (
           -- A bare value is looked up as it was written. The history holds canonical texts, and the canonical form of
           -- such a text is the text itself: one that is found is the key. One that is not goes the long way.
           SELECT CASE WHEN q.is_inside IS NOT TRUE THEN NULL
                       WHEN jsonb_typeof(q.pk) IN ('string', 'number', 'boolean') THEN ARRAY[q.pk #>> '{}']
                       ELSE pgtimewarp.canonical_key_values(f.pk_columns, f.pk_kinds, q.pk) END AS key_values,
                  -- The last commit at the instant. Whoever names an LSN has mostly read it from an answer, so that it is
                  -- a commit's: that entry is found at once, where the last one before a position reads half an index page.
                  greatest(f.start_lsn,
                    CASE WHEN q.at_lsn IS NOT NULL THEN
                           coalesce((SELECT m.lsn FROM pgtimewarp.lsn_time_map m
                                      WHERE m.node_id = p_node_id AND m.lsn_space = f.lsn_space AND m.lsn = q.at_lsn),
                                    (SELECT m.lsn FROM pgtimewarp.lsn_time_map m
                                      WHERE m.node_id = p_node_id AND m.lsn_space = f.lsn_space AND m.lsn <= q.at_lsn
                                      ORDER BY m.lsn DESC LIMIT 1))
                         WHEN q.at_ts <= f.applied_ts THEN
                           (SELECT CASE WHEN m.lsn_space = f.lsn_space THEN m.lsn END FROM pgtimewarp.lsn_time_map m
                             WHERE m.node_id = p_node_id AND m.ts <= q.at_ts ORDER BY m.ts DESC, m.lsn_space DESC, m.lsn DESC LIMIT 1)
                         ELSE f.applied_lsn END) AS lsn
            OFFSET 0) AS i
     CROSS JOIN LATERAL (SELECT array_to_json(i.key_values)::text AS pk OFFSET 0) AS k
      -- the last change at or before the instant
      LEFT JOIN LATERAL (
           SELECT r.valid_from_lsn AS lsn, r.valid_from_ts AS ts, r.xid, r.op, r.read_lsn, r.row_data, r.incomplete,
                  r.nulls_assumed
             FROM pgtimewarp.row_changes r
            WHERE r.relation_id = %1$s AND r.pk = k.pk AND (r.valid_from_lsn, r.seq) <= (i.lsn, 2147483647)
            ORDER BY r.valid_from_lsn DESC, r.seq DESC LIMIT 1) AS ver ON true
      -- the first one after it
      LEFT JOIN LATERAL (
           SELECT r.valid_from_lsn AS lsn, r.valid_from_ts AS ts, r.xid
             FROM pgtimewarp.row_changes r
            WHERE r.relation_id = %1$s AND r.pk = k.pk AND (r.valid_from_lsn, r.seq) > (i.lsn, 2147483647)
            ORDER BY r.valid_from_lsn, r.seq LIMIT 1) AS nxt ON true
      -- what the application said of the transaction; baseline rows have none, and it is forgotten with the cutoff
      LEFT JOIN LATERAL (
           SELECT c.context FROM pgtimewarp.transaction_contexts c
            WHERE c.node_id = p_node_id AND c.lsn_space = f.lsn_space
              AND c.lsn = CASE WHEN ver.xid IS NOT NULL AND ver.lsn > f.start_lsn THEN ver.lsn END LIMIT 1) AS t ON true
     CROSS JOIN LATERAL (
           -- It says what the row was, and no TRUNCATE came after it. A baseline row must have been read, and before the
           -- next change (see version_at()).
           SELECT (f.truncated_lsn < ver.lsn) IS NOT FALSE
                  AND (ver.op IN ('I', 'U')
                       OR ver.op = 'S' AND ver.read_lsn <= f.applied_lsn AND (nxt.lsn > ver.read_lsn) IS NOT FALSE)
                  AS is_plain,
                  coalesce(CASE WHEN q.at_lsn IS NOT NULL THEN q.at_lsn <= f.applied_lsn ELSE q.at_ts <= f.applied_ts END,
                           false) AS final
            OFFSET 0) AS v
     CROSS JOIN LATERAL (
           SELECT 'found' AS status, NULL AS reason, v.final,
                  concat('{"status":"found","reason":null,', f.table_members,
                    CASE WHEN f.key_member IS NOT NULL THEN f.key_member || substr(k.pk, 2, length(k.pk) - 2) || '}'
                         ELSE pgtimewarp.json_object_of(f.pk_columns, i.key_values) END,
                    ',"row":', ver.row_data, ',"op":"', ver.op,
                    '","incomplete":', coalesce(array_to_json(ver.incomplete)::text, '[]'),
                    ',"context":', coalesce(t.context::text, 'null'),
                    ',"valid_from":', pgtimewarp.json_commit(ver.lsn, ver.ts, ver.xid),
                    ',"valid_to":', pgtimewarp.json_commit(nxt.lsn, nxt.ts, nxt.xid),
                    ',"as_of":{"requested":',
                    coalesce(to_json(p_requested[q.place])::text,
                             pgtimewarp.json_instant(coalesce(q.at_ts, statement_timestamp()))),
                    ',"lsn":"', i.lsn, f.horizon_member, ',"final":', v.final::text,
                    CASE WHEN ver.nulls_assumed THEN ',"assumes":"no-nan"' END, '}') AS answer
            WHERE v.is_plain
            UNION ALL
           SELECT o.status, o.reason, o.final, o.answer::text
             FROM pgtimewarp.asof_answer(
                    p_node_id, p_schema, p_table, q.pk, q.at_ts, q.at_lsn, p_requested[q.place]) o
            WHERE v.is_plain IS NOT TRUE) AS a;
END $$
  $f$, p_relation_id, name);
  EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', name);
  EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin', name);
END $create$;
REVOKE ALL ON FUNCTION pgtimewarp.create_relation_function(int) FROM PUBLIC;

-- The answers to these questions, in their order, each as asof_answer() gives it: key, time or LSN (neither: now), and the
-- text of the instant, each in its place of the four arrays. Fails as asof_answer() fails, for all of them.
CREATE OR REPLACE FUNCTION pgtimewarp.asof_each(
  p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamptz[], p_at_lsn pg_lsn[],
  p_requested text[])
RETURNS TABLE (status text, reason text, final boolean, answer text)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  f pgtimewarp.plain_facts; -- NULL in all members when nothing is plain
BEGIN
  -- The period that is still going on, and the instants of which it is certain that they lie in it and in no gap, have not
  -- expired, and lie before every partition that has yet to be judged: from from_* to to_*, both included. While a gap is
  -- open nothing is plain, and nothing of a table with virtual columns.
  SELECT p.relation_id, p.lsn_space, p.pk_columns, p.pk_kinds, c.applied_lsn, c.applied_ts,
         -- where the history begins
         greatest(p.tracked_from_lsn, x.expired_before_lsn) AS start_lsn,
         greatest(p.tracked_from_lsn, x.expired_before_lsn, g.ended_lsn) AS from_lsn,
         greatest(p.tracked_from_ts, x.expired_before_ts, g.ended_ts) AS from_ts,
         coalesce(l.unjudged_lsn, 'FFFFFFFF/FFFFFFFF') AS to_lsn,
         coalesce(l.unjudged_ts, 'infinity') AS to_ts,
         (SELECT e.lsn FROM pgtimewarp.relation_events e
           WHERE e.relation_id = p.relation_id AND e.op = 'T' ORDER BY e.lsn DESC LIMIT 1) AS truncated_lsn,
         '"schema":' || to_json(p_schema) || ',"table":' || to_json(p_table) || ',"pk":' AS table_members,
         CASE WHEN cardinality(p.pk_columns) = 1 THEN '{' || to_json(p.pk_columns[1]) || ':' END AS key_member,
         '"},"horizon":{"lsn":"' || c.applied_lsn || '","ts":' || pgtimewarp.json_instant(c.applied_ts) || '}'
           AS horizon_member
    INTO f
    FROM pgtimewarp.tracked_relations p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id AND c.lsn_space = p.lsn_space
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id AND x.expired_before_ts IS NOT NULL
   CROSS JOIN LATERAL (
         SELECT max(g.to_lsn) FILTER (WHERE g.lsn_space = p.lsn_space) AS ended_lsn, max(g.to_ts) AS ended_ts,
                bool_or(g.to_lsn IS NULL) AS is_open
           FROM pgtimewarp.history_gaps g
          WHERE g.node_id = p.node_id AND (g.relation_id IS NULL OR g.relation_id = p.relation_id)) AS g
   CROSS JOIN LATERAL (
         SELECT min(l.seen_after_lsn) AS unjudged_lsn, min(l.seen_after_ts) AS unjudged_ts
           FROM pgtimewarp.relation_leaves l
          WHERE l.relation_id = p.relation_id AND l.attached AND NOT l.checked) AS l
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
     AND p.tracked_from_lsn IS NOT NULL AND p.tracked_to_lsn IS NULL AND g.is_open IS NOT TRUE
     AND NOT EXISTS (SELECT FROM pgtimewarp.virtual_columns vc WHERE vc.relation_id = p.relation_id);
  IF f.relation_id IS NULL THEN
    RETURN QUERY
      SELECT o.status, o.reason, o.final, o.answer::text
        FROM generate_subscripts(p_pks, 1) AS s (place)
       CROSS JOIN LATERAL pgtimewarp.asof_answer(
                p_node_id, p_schema, p_table, p_pks[s.place], p_at_ts[s.place], p_at_lsn[s.place], p_requested[s.place]) o;
  ELSE
    RETURN QUERY EXECUTE format(
      'SELECT e.status, e.reason, e.final, e.answer
         FROM pgtimewarp.asof_each_r%s($1, $2, $3, $4, $5, $6, $7, $8) e', f.relation_id)
      USING f, p_node_id, p_schema, p_table, p_pks, p_at_ts, p_at_lsn, p_requested;
  END IF;
END $$;

-- Makes the partition of a relation, and its function. Built beside the parent and then attached, because ATTACH takes a weaker lock on
-- the parent than CREATE TABLE … PARTITION OF (PostgreSQL manual, "ALTER TABLE … ATTACH PARTITION").
CREATE OR REPLACE FUNCTION pgtimewarp.create_relation_partition(p_relation_id int) RETURNS void
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
  PERFORM pgtimewarp.create_relation_function(p_relation_id);
END $$;

-- Removes the history of a relation for good.
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
  EXECUTE format('DROP FUNCTION IF EXISTS pgtimewarp.%I', format('asof_each_r%s', p_relation_id));
  DELETE FROM pgtimewarp.relation_ranges WHERE relation_id = p_relation_id;
END $$;

DO $$ BEGIN
  PERFORM pgtimewarp.create_relation_function(p.relation_id)
     FROM pgtimewarp.relation_periods p LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id
    WHERE x.is_dropped IS NOT TRUE;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Who made a commit is forgotten with the last table that it touched: a context belongs to a transaction, not to a node.

-- The relations that the transaction touched. NULL: from before this was noted; then all of the node.
ALTER TABLE pgtimewarp.transaction_contexts ADD COLUMN relation_ids int[];
-- Contexts up to here have been looked at since the cutoff of this relation passed them.
ALTER TABLE pgtimewarp.relation_retention ADD COLUMN contexts_upto_lsn pg_lsn;

-- Whether a transaction lies within what is kept of one of the relations that it touched.
CREATE FUNCTION pgtimewarp.context_is_kept(p_node_id text, p_space int, p_lsn pg_lsn, p_relation_ids int[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM unnest(coalesce(p_relation_ids, ARRAY(
             SELECT p.relation_id FROM pgtimewarp.relation_periods p
              WHERE p.node_id = p_node_id AND p.lsn_space = p_space))) AS touched (relation_id)
      LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = touched.relation_id
     WHERE (p_lsn <= x.expired_before_lsn) IS NOT TRUE
       AND to_regclass(format('pgtimewarp.row_changes_r%s', touched.relation_id)) IS NOT NULL) -- it has a history
$$;

-- Looks at the contexts that cutoffs have passed, up to p_rows of them, and forgets those that no relation keeps.
-- Returns how many were looked at: less than p_rows when nothing is left to do.
CREATE FUNCTION pgtimewarp.retention_cut_contexts(p_node_id text, p_rows int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r record;
  seen int;
  last_lsn pg_lsn;
  total int := 0;
BEGIN
  FOR r IN
    SELECT c.relation_id, c.lsn_space, c.from_lsn, c.upto_lsn
      FROM (SELECT x.relation_id, p.lsn_space, coalesce(x.contexts_upto_lsn, '0/0') AS from_lsn,
                   CASE WHEN x.is_dropped THEN 'FFFFFFFF/FFFFFFFF' ELSE x.expired_before_lsn END AS upto_lsn
              FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
             WHERE p.node_id = p_node_id) c
     WHERE c.upto_lsn > c.from_lsn
     ORDER BY c.relation_id
  LOOP
    WITH passed AS (
      SELECT t.lsn, t.relation_ids FROM pgtimewarp.transaction_contexts t
       WHERE t.node_id = p_node_id AND t.lsn_space = r.lsn_space AND t.lsn > r.from_lsn AND t.lsn <= r.upto_lsn
         AND (t.relation_ids IS NULL OR r.relation_id = ANY (t.relation_ids))
       ORDER BY t.lsn LIMIT p_rows - total),
    forgotten AS (
      DELETE FROM pgtimewarp.transaction_contexts t
       USING passed
       WHERE t.node_id = p_node_id AND t.lsn_space = r.lsn_space AND t.lsn = passed.lsn
         AND NOT pgtimewarp.context_is_kept(p_node_id, r.lsn_space, passed.lsn, passed.relation_ids))
    SELECT count(*), max(passed.lsn) INTO seen, last_lsn FROM passed;
    total := total + seen;
    UPDATE pgtimewarp.relation_retention x
       SET contexts_upto_lsn = CASE WHEN total < p_rows THEN r.upto_lsn ELSE last_lsn END
     WHERE x.relation_id = r.relation_id;
    EXIT WHEN total = p_rows;
  END LOOP;
  RETURN total;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.context_is_kept(text, int, pg_lsn, int[]), pgtimewarp.retention_cut_contexts(text, int)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  pgtimewarp.context_is_kept(text, int, pg_lsn, int[]), pgtimewarp.retention_cut_contexts(text, int)
   TO pgtimewarp_writer, pgtimewarp_admin;

-- Forgets the map before the oldest cutoff. A row that could not be applied is a row of some table: no answer depends on what
-- was kept of it, and it goes with the shortest window.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_cut_map(p_node_id text, p_rows int) RETURNS int
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
  DELETE FROM pgtimewarp.blocked_changes b
   WHERE b.node_id = p_node_id
     AND b.kept_at < (SELECT max(x.expired_before_ts)
                        FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
                       WHERE p.node_id = p_node_id);
  UPDATE pgtimewarp.wal_checkpoints SET map_from_lsn = greatest(map_from_lsn, upper + 1)
   WHERE node_id = p_node_id AND upper IS NOT NULL;
  RETURN forgotten;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Rights are those of a table, history goes by name: the table that is asked about has to be the one that the last run found.

-- Raises TW005 unless the table with this OID is the one whose history is kept under the name. NULL: whoever asks has no table.
CREATE FUNCTION pgtimewarp.refuse_other_table(p_node_id text, p_schema text, p_table text, p_relid oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM pgtimewarp.tracked_relations t
              WHERE t.node_id = p_node_id AND t.schema_name = p_schema AND t.table_name = p_table AND t.relid <> p_relid) THEN
    RAISE EXCEPTION 'the table %.% is another one than that whose history is kept under its name',
                    quote_ident(p_schema), quote_ident(p_table)
      USING ERRCODE = 'TW005', HINT = 'Ask again after the next run. A table that is not tracked any more has to be tracked again.';
  END IF;
END $$;
REVOKE ALL ON FUNCTION pgtimewarp.refuse_other_table(text, text, text, oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.refuse_other_table(text, text, text, oid)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;

CREATE OR REPLACE FUNCTION pgtimewarp.answer_asof() RETURNS TABLE (question pgtimewarp.question[], answer json)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
BEGIN
  IF asked IS NOT NULL THEN
    PERFORM pgtimewarp.refuse_other_table(q ->> 'node', q ->> 'schema', q ->> 'table', (q ->> 'relid')::oid);
    RETURN QUERY
      SELECT ARRAY[asked]::pgtimewarp.question[],
             CASE WHEN q ? 'columns' AND a.status = 'found'
                  THEN pgtimewarp.with_names(a.answer, q ->> 'node', (q ->> 'relid')::oid, q -> 'columns') ELSE a.answer END
        FROM pgtimewarp.asof_answer(
               q ->> 'node', q ->> 'schema', q ->> 'table', q -> 'pk', (q ->> 'ts')::timestamptz, (q ->> 'lsn')::pg_lsn,
               q ->> 'requested') a;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION pgtimewarp.answer_diff()
RETURNS TABLE (question pgtimewarp.question[], place bigint, frame json, op text, valid_from_ts timestamptz,
               valid_from_lsn pg_lsn, xid bigint, row_data json, changed json, context json)
LANGUAGE plpgsql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  schema_name text := q ->> 'schema';
  table_name text := q ->> 'table';
  pk jsonb := q -> 'pk';
  from_ts timestamptz := q ->> 'from';
  to_ts timestamptz := q ->> 'to';
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgtimewarp.refuse_other_table(node, schema_name, table_name, (q ->> 'relid')::oid);
  question := ARRAY[asked];
  RETURN QUERY
    WITH c AS MATERIALIZED (
      SELECT d.*, row_number() OVER () AS place
        FROM pgtimewarp.diff_changes(node, schema_name, table_name, pk, from_ts, NULL, to_ts, NULL, NULL, NULL, NULL, NULL) d)
    SELECT question, 0::bigint,
           json_build_object('unknown', f.unknown, 'final', f.final,
                             'horizon', pgtimewarp.json_instant(f.horizon_ts)::json,
                             'incomplete', ARRAY(SELECT DISTINCT unnest(c.incomplete) FROM c ORDER BY 1)),
           NULL::text, NULL::timestamptz, NULL::pg_lsn, NULL::bigint, NULL::json, NULL::json, NULL::json
      FROM pgtimewarp.diff_frame(node, schema_name, table_name, pk, from_ts, NULL, to_ts, NULL) f
     UNION ALL
    SELECT question, c.place, NULL, c.op, c.ts, c.lsn, c.xid, c.row_data, c.changed, c.context FROM c;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What PostgreSQL's JSON functions refuse to look at passes through them: \u0000 and halves of characters.

DROP FUNCTION pgtimewarp.json_stand_in(text);
-- A JSON text without any escape, in which nothing but strings is another: ~ is written ~0, \\ ~1, \" ~2, and a \ before
-- anything else ~3. And back, of any part of such a text.
CREATE FUNCTION pgtimewarp.json_stand_in(p_json text, p_back boolean) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN p_back
    THEN replace(replace(replace(replace(p_json, '~3', chr(92)), '~2', chr(92) || '"'), '~1', repeat(chr(92), 2)), '~0', '~')
    ELSE replace(replace(replace(replace(p_json, '~', '~0'), repeat(chr(92), 2), '~1'), chr(92) || '"', '~2'), chr(92), '~3') END
$$;
REVOKE ALL ON FUNCTION pgtimewarp.json_stand_in(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_stand_in(text, boolean) TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;

-- The text that a member's name or a string stands for, in JSON that is `json_stand_in(…, false)`, where `p_escaped` says that it is.
CREATE FUNCTION pgtimewarp.json_stood_for(p_text text, p_escaped boolean) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN p_escaped THEN pgtimewarp.json_stand_in('"' || p_text || '"', true)::json #>> '{}' ELSE p_text END
$$;
REVOKE ALL ON FUNCTION pgtimewarp.json_stood_for(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.json_stood_for(text, boolean) TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;

-- An answer whose row has the names that the columns of the table have now: p_columns is {"number": "name"} of the table with
-- OID p_relid. A column that was renamed is followed by its number. Where it is not certain which value is the column's, it is
-- not in the row but in `incomplete`; a column that is neither came after the row was written. Values of columns that are gone
-- are left out.
CREATE FUNCTION pgtimewarp.with_names(p_answer json, p_node_id text, p_relid oid, p_columns jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  escaped boolean := position(chr(92) || 'u' IN p_answer::text) > 0;
  answer json := CASE WHEN escaped THEN pgtimewarp.json_stand_in(p_answer::text, false)::json ELSE p_answer END;
  written pg_lsn := answer #>> '{valid_from,lsn}';
  read_upto pg_lsn;  -- of a row that was read, at some time after that
  relation record;
  named text;
  uncertain text[];
  result text;
BEGIN
  SELECT p.relation_id, p.columns, t.relid = p_relid AS is_same INTO relation
    FROM pgtimewarp.relation_periods p LEFT JOIN pgtimewarp.tracked_relations t ON t.relation_id = p.relation_id
   WHERE p.node_id = p_node_id AND p.schema_name = pgtimewarp.json_stood_for(answer ->> 'schema', escaped)
     AND p.table_name = pgtimewarp.json_stood_for(answer ->> 'table', escaped)
     AND p.tracked_from_ts <= (answer #>> '{valid_from,ts}')::timestamptz
   ORDER BY p.tracked_from_ts DESC LIMIT 1;
  EXECUTE format(
    'SELECT r.read_lsn FROM pgtimewarp.row_changes r
      WHERE r.relation_id = %s AND r.valid_from_lsn = $1 AND r.op = ''S'' AND r.pk = $2', relation.relation_id)
     INTO read_upto
    USING written, array_to_json(ARRAY(
            SELECT pgtimewarp.json_stood_for(k.value, escaped) FROM json_each_text(answer -> 'pk') WITH ORDINALITY k
             ORDER BY k.ordinality))::text;
  read_upto := coalesce(read_upto, written);

  WITH member AS (
    SELECT pgtimewarp.json_stood_for(e.key, escaped) AS name, e.value::text AS value FROM json_each(answer -> 'row') e),
  -- the names that a column can have had when the row was written, or read
  had AS (
    SELECT (c.facts ->> 'attnum')::int AS attnum, n.name
      FROM jsonb_array_elements(relation.columns) AS c (facts)
     CROSS JOIN LATERAL (
           SELECT c.facts ->> 'name' AS name, (c.facts ->> 'since_lsn')::pg_lsn AS since, NULL::pg_lsn AS until
            UNION ALL
           SELECT f.was ->> 'name', (f.was ->> 'since_lsn')::pg_lsn, (f.was ->> 'until_lsn')::pg_lsn
             FROM jsonb_array_elements(coalesce(c.facts -> 'former_names', '[]')) AS f (was)) AS n
     WHERE n.since < read_upto AND (n.until IS NULL OR written <= n.until)),
  claim AS (
    SELECT DISTINCT h.attnum, m.name, m.value FROM had h JOIN member m ON m.name = h.name),
  -- columns without such a value that may have been there all the same
  doubt AS (
    SELECT (c.facts ->> 'attnum')::int AS attnum
      FROM jsonb_array_elements(relation.columns) AS c (facts)
     WHERE c.facts ? 'former_names' AND (c.facts #>> '{former_names,0,since_lsn}')::pg_lsn < read_upto
        OR c.facts ->> 'name' IN (SELECT m.name FROM member m EXCEPT SELECT o.name FROM claim o)),
  judged AS (
    SELECT w.key::int AS attnum, w.value AS name,
           (SELECT min(c.value) FROM claim c WHERE c.attnum = w.key::int HAVING count(*) = 1
               AND NOT EXISTS (SELECT FROM claim o JOIN claim mine ON mine.name = o.name
                                WHERE mine.attnum = w.key::int AND o.attnum <> w.key::int)) AS value,
           w.key::int IN (SELECT c.attnum FROM claim c UNION ALL SELECT d.attnum FROM doubt d) AS may_have_been
      FROM jsonb_each_text(p_columns) w
     WHERE relation.is_same
     UNION ALL
    -- not known to be the same table: by name alone, where that leaves no doubt
    SELECT w.key::int, w.value, m.value, EXISTS (
             SELECT FROM member o WHERE o.name NOT IN (SELECT k.value FROM jsonb_each_text(p_columns) k))
      FROM jsonb_each_text(p_columns) w LEFT JOIN member m ON m.name = w.value
     WHERE relation.is_same IS NOT TRUE)
  SELECT string_agg(CASE WHEN escaped THEN pgtimewarp.json_stand_in(to_json(j.name)::text, false) ELSE to_json(j.name)::text END
                    || ':' || j.value, ',' ORDER BY j.attnum) FILTER (WHERE j.value IS NOT NULL),
         array_agg(j.name ORDER BY j.attnum) FILTER (WHERE j.value IS NULL AND j.may_have_been)
    INTO named, uncertain
    FROM judged j;

  SELECT '{' || string_agg(to_json(e.key) || ':' || CASE e.key
           WHEN 'row' THEN '{' || coalesce(named, '') || '}'
           WHEN 'incomplete' THEN lacking.names
           ELSE e.value::text END, ',' ORDER BY e.ordinality) || '}'
    INTO result
    FROM json_each(answer) WITH ORDINALITY e
   CROSS JOIN LATERAL (
         SELECT CASE WHEN e.key = 'incomplete' THEN array_to_json(ARRAY(
                  SELECT pgtimewarp.json_stood_for(n, escaped) FROM json_array_elements_text(e.value) n
                   UNION SELECT unnest(uncertain) ORDER BY 1))::text END AS plain) l
   CROSS JOIN LATERAL (
         SELECT CASE WHEN escaped THEN pgtimewarp.json_stand_in(l.plain, false) ELSE l.plain END AS names) lacking;
  RETURN CASE WHEN escaped THEN pgtimewarp.json_stand_in(result, true) ELSE result END;
END $$;
REVOKE ALL ON FUNCTION pgtimewarp.with_names(json, text, oid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.with_names(json, text, oid, jsonb) TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;

-- {"column": {"from": …, "to": …}} of the columns that are not the same in two rows.
CREATE OR REPLACE FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[])
RETURNS json
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  escaped boolean := position(chr(92) || 'u' IN concat(p_old, p_new)) > 0;
  old_row json := CASE WHEN escaped THEN pgtimewarp.json_stand_in(p_old::text, false)::json ELSE p_old END;
  new_row json := CASE WHEN escaped THEN pgtimewarp.json_stand_in(p_new::text, false)::json ELSE p_new END;
  changed text;
BEGIN
  SELECT '{' || coalesce(string_agg(
           to_json(coalesce(n.key, o.key)) || ':{'
           || concat_ws(',', '"from":' || o.value::text, '"to":' || n.value::text) || '}',
           ',' ORDER BY n.ordinality, o.ordinality), '') || '}'
    INTO changed
    FROM json_each(old_row) WITH ORDINALITY o
    FULL JOIN json_each(new_row) WITH ORDINALITY n ON n.key = o.key
   CROSS JOIN LATERAL (
         SELECT CASE WHEN escaped THEN pgtimewarp.json_stand_in('"' || coalesce(n.key, o.key) || '"', true)::json #>> '{}'
                     ELSE coalesce(n.key, o.key) END AS name) c
   WHERE o.value::text IS DISTINCT FROM n.value::text
         -- JSON null and SQL NULL have one text
      OR coalesce(c.name = ANY (p_old_nulls), false) <> coalesce(c.name = ANY (p_new_nulls), false);
  RETURN CASE WHEN escaped THEN pgtimewarp.json_stand_in(changed, true) ELSE changed END;
END $$;
