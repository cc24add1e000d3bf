-- The reading side, continued: the changes of a key over an interval, and history as a relation.

-- The periods that a question about (from, to] touches, with the positions in each between which its changes lie.
-- Neither time nor LSN: from the start of tracking, to the horizon. An LSN belongs to the node's present LSN space.
CREATE FUNCTION pgtimewarp.diff_periods(
  p_node_id text, p_schema text, p_table text,
  p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn)
RETURNS TABLE (
  period pgtimewarp.relation_periods, starts_inside boolean, lower_lsn pg_lsn, upper_lsn pg_lsn,
  through pg_lsn, is_open boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT p, b.from_lsn IS NULL OR b.from_lsn < p.tracked_from_lsn, greatest(b.from_lsn, p.tracked_from_lsn),
         least(b.to_lsn, b.through), b.through, b.is_open
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
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
     AND p.tracked_from_lsn IS NOT NULL
     AND (p_to_ts IS NULL OR p.tracked_from_ts <= p_to_ts)
     AND (p_to_lsn IS NULL OR (p.lsn_space, p.tracked_from_lsn) <= (c.lsn_space, p_to_lsn))
     AND (p_from_ts IS NULL OR p.tracked_to_ts IS NULL OR p.tracked_to_ts >= p_from_ts)
     AND (p_from_lsn IS NULL OR p.lsn_space = c.lsn_space AND (p.tracked_to_lsn IS NULL OR p.tracked_to_lsn >= p_from_lsn))
$$;

-- {"column": {"from": …, "to": …}} of the columns whose values differ between two rows. A side is missing where the
-- column is: it was added, dropped, or its value is incomplete.
CREATE FUNCTION pgtimewarp.changed_columns(p_old json, p_old_nulls text[], p_new json, p_new_nulls text[]) RETURNS json
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT ('{' || coalesce(string_agg(
           to_json(coalesce(n.key, o.key)) || ':{'
           || concat_ws(',', '"from":' || o.value::text, '"to":' || n.value::text) || '}',
           ',' ORDER BY n.ordinality, o.ordinality), '') || '}')::json
    FROM json_each(p_old) WITH ORDINALITY o FULL JOIN json_each(p_new) WITH ORDINALITY n ON n.key = o.key
   WHERE o.value::text IS DISTINCT FROM n.value::text
         -- JSON null and SQL NULL have one text
      OR coalesce(o.key = ANY (p_old_nulls), false) <> coalesce(n.key = ANY (p_new_nulls), false)
$$;

-- The changes of one key in (from, to], in order, over all periods; S, the row as a period found it, when its period
-- begins inside; T, a TRUNCATE that removed the row. `changed` is set for U where the row before is known, else NULL.
-- An update of the key is a D under the old key and an I under the new one.
-- Page by page: pass (relation_id, lsn, seq) of the last row received. Runs of the poller only add rows behind it.
CREATE FUNCTION pgtimewarp.diff_changes(
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
        WHERE r.relation_id = period.relation_id AND r.pk = key AND r.op <> 'S'
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
      changed := CASE WHEN e.op = 'U' AND before.status = 'found'
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

-- An interval in which changes may be missing, and why.
CREATE TYPE pgtimewarp.hole AS (span tstzrange, reason text);

-- Time of the last commit at or before a position.
CREATE FUNCTION pgtimewarp.time_at(p_node_id text, p_space int, p_lsn pg_lsn) RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT m.ts FROM pgtimewarp.lsn_time_map m
   WHERE m.node_id = p_node_id AND m.lsn_space = p_space AND m.lsn <= p_lsn ORDER BY m.lsn DESC LIMIT 1
$$;

-- What frames a diff: its ends as times, the horizon, the intervals inside of which changes may be missing
-- ([{"from", "to", "reason"}]), and whether all of it is final.
CREATE FUNCTION pgtimewarp.diff_frame(
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
  -- Retention: the part of the question that has left the window is added to the holes here, as `expired`.

  SELECT coalesce(json_agg(json_build_object('from', pgtimewarp.json_instant(lower(r))::json,
                                             'to', pgtimewarp.json_instant(upper(r))::json, 'reason', reason)
                           ORDER BY lower(r), reason), '[]')
    INTO unknown
    FROM (SELECT h.reason, unnest(range_agg(h.span * tstzrange(from_ts, to_ts, '[]'))) AS r
            FROM unnest(holes) h GROUP BY h.reason) merged;
  final := coalesce(settled AND CASE WHEN p_to_lsn IS NULL THEN to_ts <= horizon_ts ELSE p_to_lsn <= horizon_lsn END, false);
  RETURN NEXT;
END $$;

-- Every version of every key as an interval. Baseline rows that a later change contradicts, or that may still be, are
-- left out. With node, table and key given it is an index read.
CREATE VIEW pgtimewarp.row_versions AS
  SELECT p.node_id, p.schema_name, p.table_name, r.pk, r.op, r.row_data, r.xid, r.seq,
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
                                THEN c.applied_lsn ELSE p.tracked_to_lsn END;

GRANT SELECT ON pgtimewarp.row_versions TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
DO $$
DECLARE
  signature regprocedure;
BEGIN
  FOR signature IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pgtimewarp'::regnamespace
       AND p.proname IN ('diff_periods', 'changed_columns', 'diff_changes', 'time_at', 'diff_frame')
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin', signature);
  END LOOP;
END $$;
