-- What a row lacks is named in every answer, and what is taken for NULL on somebody's word is said to be.
-- (docs/decisions/0022-what-a-row-lacks.md)

-- Columns of which neither the log nor a read row has values: virtual generated ones. They were there after from_* (not at
-- from_* itself), up to and including to_* (null: they are). The ends are those of the runs that noticed, never too narrow.
CREATE TABLE pgtimewarp.virtual_columns (
  relation_id int NOT NULL,
  column_name text NOT NULL,
  from_lsn    pg_lsn NOT NULL,
  from_ts     timestamptz NOT NULL,
  to_lsn      pg_lsn,
  to_ts       timestamptz,
  PRIMARY KEY (relation_id, column_name, from_lsn)
);
GRANT SELECT ON pgtimewarp.virtual_columns TO pgtimewarp_reader;
GRANT SELECT, INSERT, UPDATE ON pgtimewarp.virtual_columns TO pgtimewarp_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgtimewarp.virtual_columns TO pgtimewarp_admin;

INSERT INTO pgtimewarp.virtual_columns (relation_id, column_name, from_lsn, from_ts)
SELECT t.relation_id, c.facts ->> 'name', '0/0', '-infinity'
  FROM pgtimewarp.tracked_relations t
 CROSS JOIN LATERAL jsonb_array_elements(t.catalog_facts -> 'columns') AS c (facts)
 WHERE t.status <> 'untracked' AND c.facts ->> 'generated' = 'v' AND c.facts ->> 'name' <> ALL (t.excluded_columns);

ALTER TABLE pgtimewarp.tracked_relations
  -- declared: its numeric and float columns never hold NaN or Infinity
  ADD COLUMN no_nan boolean NOT NULL DEFAULT false,
  -- what was seen that says otherwise: from then on nothing is taken at its word
  ADD COLUMN no_nan_refuted text;
-- A NULL of this row was taken at its word, because of such a declaration.
ALTER TABLE pgtimewarp.row_changes ADD COLUMN nulls_assumed boolean;
ALTER TYPE pgtimewarp.key_state ADD ATTRIBUTE nulls_assumed boolean;

-- The names that a column had before, with the positions between which it had them. Of those that are known already the
-- positions are not.
UPDATE pgtimewarp.tracked_relations t
   SET columns = (
     SELECT jsonb_agg(CASE WHEN c.facts ? 'former_names' THEN
              c.facts || jsonb_build_object('former_names', (
                SELECT jsonb_agg(jsonb_build_object('name', f.name, 'since_lsn', '0/0', 'until_lsn', '0/0') ORDER BY f.place)
                  FROM jsonb_array_elements_text(c.facts -> 'former_names') WITH ORDINALITY AS f (name, place)))
            ELSE c.facts END ORDER BY c.place)
       FROM jsonb_array_elements(t.columns) WITH ORDINALITY AS c (facts, place))
 WHERE t.columns @? '$[*].former_names';
UPDATE pgtimewarp.past_relations t
   SET columns = (
     SELECT jsonb_agg(CASE WHEN c.facts ? 'former_names' THEN
              c.facts || jsonb_build_object('former_names', (
                SELECT jsonb_agg(jsonb_build_object('name', f.name, 'since_lsn', '0/0', 'until_lsn', '0/0') ORDER BY f.place)
                  FROM jsonb_array_elements_text(c.facts -> 'former_names') WITH ORDINALITY AS f (name, place)))
            ELSE c.facts END ORDER BY c.place)
       FROM jsonb_array_elements(t.columns) WITH ORDINALITY AS c (facts, place))
 WHERE t.columns @? '$[*].former_names';

-- The columns that a row lacks at an instant (an LSN, or else a time): those that the plugin lost, and virtual ones.
CREATE FUNCTION pgtimewarp.incomplete_at(p_relation_id int, p_incomplete text[], p_lsn pg_lsn, p_ts timestamptz)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT nullif(coalesce(p_incomplete, '{}') || ARRAY(
    SELECT DISTINCT v.column_name
      FROM pgtimewarp.virtual_columns v
     WHERE v.relation_id = p_relation_id AND (v.column_name = ANY (p_incomplete)) IS NOT TRUE
       AND CASE WHEN p_lsn IS NOT NULL THEN v.from_lsn < p_lsn AND (v.to_lsn IS NULL OR p_lsn <= v.to_lsn)
                ELSE v.from_ts < p_ts AND (v.to_ts IS NULL OR p_ts <= v.to_ts) END
     ORDER BY 1), '{}')
$$;

-- As before, with the assumption that a NULL of the row rests on.
CREATE OR REPLACE FUNCTION pgtimewarp.version_at(p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq integer, p_through pg_lsn, p_open boolean) RETURNS pgtimewarp.key_state
    LANGUAGE plpgsql STABLE
    AS $$
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
         r.incomplete, r.json_nulls, r.nulls_assumed
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

-- As before, with what the row lacks at the instant, and what its NULLs rest on.
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
      SELECT r.valid_from_lsn, r.valid_from_ts, r.xid INTO v.to_lsn, v.to_ts, v.to_xid
        FROM pgtimewarp.row_changes r
       WHERE r.relation_id = period.relation_id AND r.pk = array_to_json(key_values)::text AND r.valid_from_lsn > at_lsn
       ORDER BY r.valid_from_lsn, r.seq LIMIT 1;
    END IF;
    IF status = 'found' THEN
      v.incomplete := pgtimewarp.incomplete_at(period.relation_id, v.incomplete, p_at_lsn, at_ts);
      assumes := CASE WHEN v.nulls_assumed THEN ',"assumes":"no-nan"' ELSE '' END;
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

-- As before. A table that has or had virtual columns goes the long way.
CREATE OR REPLACE FUNCTION pgtimewarp.asof_each(p_node_id text, p_schema text, p_table text, p_pks jsonb[], p_at_ts timestamp with time zone[], p_at_lsn pg_lsn[], p_requested text[]) RETURNS TABLE(status text, reason text, final boolean, answer text)
    LANGUAGE plpgsql STABLE ROWS 10
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET enable_memoize TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
  f record; -- NULL in all members when nothing is plain
BEGIN
  -- The period that is still going on, and the instants of which it is certain that they lie in it and in no gap, have not
  -- expired, and lie before every partition that has yet to be judged: from from_* to to_*, both included. While a gap is
  -- open nothing is plain.
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
                         WHEN q.at_ts < f.applied_ts THEN
                           (SELECT CASE WHEN m.lsn_space = f.lsn_space THEN m.lsn END FROM pgtimewarp.lsn_time_map m
                             WHERE m.node_id = p_node_id AND m.ts <= q.at_ts ORDER BY m.ts DESC LIMIT 1)
                         ELSE f.applied_lsn END) AS lsn
            OFFSET 0) AS i
     CROSS JOIN LATERAL (SELECT array_to_json(i.key_values)::text AS pk OFFSET 0) AS k
      -- the last change at or before the instant
      LEFT JOIN LATERAL (
           SELECT r.valid_from_lsn AS lsn, r.valid_from_ts AS ts, r.xid, r.op, r.read_lsn, r.row_data, r.incomplete,
                  r.nulls_assumed
             FROM pgtimewarp.row_changes r
            WHERE r.relation_id = f.relation_id AND r.pk = k.pk AND (r.valid_from_lsn, r.seq) <= (i.lsn, 2147483647)
            ORDER BY r.valid_from_lsn DESC, r.seq DESC LIMIT 1) AS ver ON true
      -- the first one after it
      LEFT JOIN LATERAL (
           SELECT r.valid_from_lsn AS lsn, r.valid_from_ts AS ts, r.xid
             FROM pgtimewarp.row_changes r
            WHERE r.relation_id = f.relation_id AND r.pk = k.pk AND (r.valid_from_lsn, r.seq) > (i.lsn, 2147483647)
            ORDER BY r.valid_from_lsn, r.seq LIMIT 1) AS nxt ON true
      -- what the application said of the transaction; baseline rows have none
      LEFT JOIN LATERAL (
           SELECT c.context FROM pgtimewarp.transaction_contexts c
            WHERE c.node_id = p_node_id AND c.lsn_space = f.lsn_space
              AND c.lsn = CASE WHEN ver.xid IS NOT NULL THEN ver.lsn END LIMIT 1) AS t ON true
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
END $$;

DROP FUNCTION pgtimewarp.diff_changes(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, int, pg_lsn, int, int);

-- As before, with what each row lacks, and what its NULLs rest on.
CREATE FUNCTION pgtimewarp.diff_changes(p_node_id text, p_schema text, p_table text, p_pk jsonb, p_from_ts timestamp with time zone, p_from_lsn pg_lsn, p_to_ts timestamp with time zone, p_to_lsn pg_lsn, p_after_relation_id integer, p_after_lsn pg_lsn, p_after_seq integer, p_limit integer) RETURNS TABLE(op text, lsn pg_lsn, seq integer, ts timestamp with time zone, xid bigint, row_data json, changed json, context json, relation_id integer, incomplete text[], assumes text)
    LANGUAGE plpgsql STABLE ROWS 100
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
    FOR e IN
      (SELECT r.op, r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.leaf_id, r.row_data, r.json_nulls,
              r.incomplete, r.nulls_assumed
         FROM pgtimewarp.row_changes r
        WHERE r.relation_id = period.relation_id AND r.pk = key
          AND (r.op <> 'S' OR r.valid_from_lsn > period.tracked_from_lsn)
          AND (r.valid_from_lsn, r.seq) > (start_lsn, start_seq) AND r.valid_from_lsn <= place.upper_lsn
        ORDER BY r.valid_from_lsn, r.seq LIMIT remaining)
      UNION ALL
      SELECT t.op, t.lsn, t.seq, t.ts, t.xid, t.leaf_id, NULL, NULL, NULL, NULL FROM pgtimewarp.relation_events t
       WHERE t.relation_id = period.relation_id AND t.op = 'T'
         AND (t.lsn, t.seq) > (start_lsn, start_seq) AND t.lsn <= place.upper_lsn
      ORDER BY 2, 3
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

-- As before; the frame names what any of the rows lacks.
CREATE OR REPLACE FUNCTION pgtimewarp.answer_diff() RETURNS TABLE(question pgtimewarp.question[], place bigint, frame json, op text, valid_from_ts timestamp with time zone, valid_from_lsn pg_lsn, xid bigint, row_data json, changed json, context json)
    LANGUAGE plpgsql STABLE ROWS 20
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- An answer whose row has the names that the columns of the table have now: p_columns is {"number": "name"} of the table with
-- OID p_relid. A column that was renamed is followed by its number. Where it is not certain which value is the column's, it is
-- not in the row but in `incomplete`; a column that is neither came after the row was written. Values of columns that are gone
-- are left out.
CREATE FUNCTION pgtimewarp.with_names(p_answer json, p_node_id text, p_relid oid, p_columns jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stand_in text := pgtimewarp.json_stand_in(p_answer::text);
  answer json := replace(p_answer::text, '\u0000', stand_in);
  written pg_lsn := answer #>> '{valid_from,lsn}';
  read_upto pg_lsn;  -- of a row that was read, at some time after that
  relation record;
  named text;
  uncertain text[];
BEGIN
  SELECT p.relation_id, p.columns, t.relid = p_relid AS is_same INTO relation
    FROM pgtimewarp.relation_periods p LEFT JOIN pgtimewarp.tracked_relations t ON t.relation_id = p.relation_id
   WHERE p.node_id = p_node_id AND p.schema_name = answer ->> 'schema' AND p.table_name = answer ->> 'table'
     AND p.tracked_from_ts <= (answer #>> '{valid_from,ts}')::timestamptz
   ORDER BY p.tracked_from_ts DESC LIMIT 1;
  SELECT r.read_lsn INTO read_upto FROM pgtimewarp.row_changes r
   WHERE r.relation_id = relation.relation_id AND r.valid_from_lsn = written AND r.op = 'S'
     AND r.pk = array_to_json(ARRAY(SELECT k.value FROM json_each_text(answer -> 'pk') WITH ORDINALITY k
                                     ORDER BY k.ordinality))::text;
  read_upto := coalesce(read_upto, written);

  WITH member AS (
    SELECT e.key AS name, e.value::text AS value FROM json_each(answer -> 'row') e),
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
  SELECT string_agg(to_json(j.name) || ':' || j.value, ',' ORDER BY j.attnum) FILTER (WHERE j.value IS NOT NULL),
         array_agg(j.name ORDER BY j.attnum) FILTER (WHERE j.value IS NULL AND j.may_have_been)
    INTO named, uncertain
    FROM judged j;

  RETURN (
    SELECT replace('{' || string_agg(to_json(e.key) || ':' || CASE e.key
             WHEN 'row' THEN '{' || coalesce(named, '') || '}'
             WHEN 'incomplete' THEN array_to_json(ARRAY(
               SELECT json_array_elements_text(e.value) UNION SELECT unnest(uncertain) ORDER BY 1))::text
             ELSE e.value::text END, ',' ORDER BY e.ordinality) || '}', stand_in, '\u0000')
      FROM json_each(answer) WITH ORDINALITY e);
END $$;

-- As before. A question with the columns of the table as they are now is answered under their names.
CREATE OR REPLACE FUNCTION pgtimewarp.answer_asof() RETURNS TABLE(question pgtimewarp.question[], answer json)
    LANGUAGE plpgsql STABLE ROWS 1
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
BEGIN
  IF asked IS NOT NULL THEN
    RETURN QUERY
      SELECT ARRAY[asked]::pgtimewarp.question[],
             CASE WHEN q ? 'columns' AND a.status = 'found'
                  THEN pgtimewarp.with_names(a.answer, q ->> 'node', (q ->> 'relid')::oid, q -> 'columns') ELSE a.answer END
        FROM pgtimewarp.asof_answer(
               q ->> 'node', q ->> 'schema', q ->> 'table', q -> 'pk', (q ->> 'ts')::timestamptz, (q ->> 'lsn')::pg_lsn,
               q ->> 'requested') a;
  END IF;
END $$;

-- As before, and what each version lacks. Of a virtual column that came or went while the version was valid, too.
CREATE OR REPLACE VIEW pgtimewarp.row_versions AS
  SELECT v.node_id, v.schema_name, v.table_name, v.pk, v.op, v.row_data, v.xid, v.seq,
         v.valid_from_lsn, v.valid_to_lsn, v.valid_from_ts, v.valid_to_ts,
         CASE WHEN v.op <> 'D' THEN nullif(coalesce(v.incomplete, '{}') || ARRAY(
           SELECT DISTINCT c.column_name FROM pgtimewarp.virtual_columns c
            WHERE c.relation_id = v.relation_id AND (c.column_name = ANY (v.incomplete)) IS NOT TRUE
              AND (v.valid_to_ts IS NULL OR c.from_ts < v.valid_to_ts)
              AND (c.to_ts IS NULL OR v.valid_from_ts <= c.to_ts)
            ORDER BY 1), '{}') END AS incomplete
    FROM (
  SELECT p.relation_id, p.node_id, p.schema_name, p.table_name, r.pk, r.op, r.row_data, r.xid, r.seq, r.incomplete,
         r.valid_from_lsn,
         CASE WHEN cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq))
              THEN cut.lsn ELSE nxt.lsn END AS valid_to_lsn,
         r.valid_from_ts,
         CASE WHEN cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq))
              THEN cut.ts ELSE nxt.ts END AS valid_to_ts
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
    JOIN pgtimewarp.row_changes r ON r.relation_id = p.relation_id
    LEFT JOIN LATERAL (
         SELECT n.valid_from_lsn AS lsn, n.seq, n.valid_from_ts AS ts FROM pgtimewarp.row_changes n
          WHERE n.relation_id = r.relation_id AND n.pk = r.pk
            AND (n.valid_from_lsn, n.seq) > (r.valid_from_lsn, r.seq)
          ORDER BY n.valid_from_lsn, n.seq LIMIT 1) nxt ON true
    LEFT JOIN LATERAL (
         SELECT e.lsn, e.seq, e.ts FROM pgtimewarp.relation_events e
          WHERE e.relation_id = r.relation_id AND e.op = 'T' AND r.op <> 'D'
            AND (e.lsn, e.seq) > (r.valid_from_lsn, CASE WHEN r.op <> 'S' THEN r.seq ELSE 2147483647 END)
            AND (e.leaf_id IS NULL OR e.leaf_id = r.leaf_id)
          ORDER BY e.lsn, e.seq LIMIT 1) cut ON true
   WHERE r.op <> 'S'
      OR (nxt.lsn IS NULL OR nxt.lsn > r.read_lsn)
         AND r.read_lsn <= CASE WHEN p.tracked_to_lsn IS NULL AND p.lsn_space = c.lsn_space
                                THEN c.applied_lsn ELSE p.tracked_to_lsn END) v;

-- As before, with what NULLs rest on.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_build(p_relation_id integer, p_rows integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET jit TO 'off'
    AS $$
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
            incomplete, json_nulls, nulls_assumed)
     SELECT v.valid_from_lsn, v.valid_from_ts, v.xid, v.read_lsn, v.relation_id, v.seq, v.leaf_id, v.op, v.pk, v.row_data,
            v.incomplete, v.json_nulls, v.nulls_assumed
       FROM (SELECT DISTINCT ON (c.pk) c.valid_from_lsn, c.valid_from_ts, c.xid, c.read_lsn, c.relation_id, c.seq,
                    c.leaf_id, c.op, c.pk, c.row_data, c.incomplete, c.json_nulls, c.nulls_assumed
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

REVOKE ALL ON FUNCTION
  pgtimewarp.incomplete_at(int, text[], pg_lsn, timestamptz),
  pgtimewarp.with_names(json, text, oid, jsonb),
  pgtimewarp.diff_changes(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, int, pg_lsn, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  pgtimewarp.incomplete_at(int, text[], pg_lsn, timestamptz),
  pgtimewarp.with_names(json, text, oid, jsonb),
  pgtimewarp.diff_changes(text, text, text, jsonb, timestamptz, pg_lsn, timestamptz, pg_lsn, int, pg_lsn, int, int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
