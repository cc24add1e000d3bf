-- The answer for one key as of an instant: a time, an LSN (of the node's present LSN space), or neither: now. Every verdict (found,
-- absent, unknown, and why) is made here, so that the command line, HTTP and SQL on the source give the same answer.
--
-- Each question is one statement from outside, so all its reads share one snapshot. Errors have SQLSTATEs of their own:
-- TW001 table not tracked, TW002 key unusable, TW003 node unknown, TW004 interval unusable, TW005 another table.
--
-- Not final is what may turn out otherwise: a partition that is new is judged at the end of WAL, and a run that ends before it
-- gets there has moved the horizon past it; a gap that is open at the position of the horizon may end at this very position.
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
    IF at_ts > horizon.applied_ts THEN
      at_space := horizon.lsn_space; at_lsn := horizon.applied_lsn;
    ELSE
      SELECT m.lsn_space, m.lsn INTO at_space, at_lsn FROM pgtimewarp.lsn_time_map m
       WHERE m.node_id = p_node_id AND m.ts <= at_ts ORDER BY m.ts DESC, m.lsn_space DESC, m.lsn DESC LIMIT 1;
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

REVOKE ALL ON FUNCTION pgtimewarp.asof_answer(text, text, text, jsonb, timestamptz, pg_lsn, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.asof_answer(text, text, text, jsonb, timestamptz, pg_lsn, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
