-- The position of an instant in the history of a table. The instant is a time, an LSN (in the node's present LSN space), or neither,
-- which means now. Every question about a table begins here, so all agree on what is known and what is final.
--
--   period     the last period that had begun at the instant; if none had, the last period of all. If a period ends exactly at
--              the instant it is that one, although another may begin there (a quiet source does not move its position):
--              the answer was final before the other began. In a gap that ended with the start of the other it was not.
--   has_begun  whether a period had begun
--   is_open    the period may still grow
--   through    the position up to which the period is complete: its end, or the horizon
--   asked_*    the instant of the question: one of the two; now is the time 'infinity'
--   lsn        the last commit at the instant, in lsn_space. If the table is known (no reason), it lies within the period and
--              after the cutoff.
--   reason     why the table is unknown at the instant: baseline_pending (no period has begun), before_tracking, in_gap (after
--              the end of the period, or in a gap), expired. NULL: the table is known; the key may still be unknown.
--   final      whether later runs cannot change this. Not final: instants beyond the horizon; instants after a partition that
--              is not judged yet; and, for a question by LSN, the position of the horizon while a gap is open, because the gap
--              may end exactly there until the next commit.
--
--   archived_before_lsn  the cutoff, if the position needs changes that only the archive has (archived_before())
--
-- Raises TW001 when the table is not tracked, TW003 when the node is unknown, and TW007 when the position is archived, unless the caller
-- deals with that: p_may_be_archived. Called by functions that have set search_path.
CREATE OR REPLACE FUNCTION pgtimewarp.position_at(
  p_node_id text, p_schema text, p_table text, p_at_ts timestamptz, p_at_lsn pg_lsn,
  p_may_be_archived boolean DEFAULT false)
RETURNS pgtimewarp.history_position
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
  by_lsn boolean := p_at_lsn IS NOT NULL;
  -- "now" is the last known state. It is never final, whatever the clocks of the servers say
  at_ts timestamptz := CASE WHEN by_lsn THEN NULL ELSE coalesce(p_at_ts, 'infinity') END;
  known record; -- the period, the horizon of the node, and what has expired
  period pgtimewarp.relation_periods;
  is_open boolean;
  at_space int;
  at_lsn pg_lsn;
  gap record;
  reason text;
  final boolean;
  archived_before_lsn pg_lsn;
BEGIN
  SELECT p AS period, c.lsn_space, c.applied_lsn, c.applied_ts, x.expired_before_lsn, x.expired_before_ts, a.before_lsn, b.has_begun
    INTO known
    FROM pgtimewarp.relation_periods p
    LEFT JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
    LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = p.relation_id AND x.expired_before_ts IS NOT NULL
    LEFT JOIN pgtimewarp.archive_cutoffs a ON a.relation_id = p.relation_id
   CROSS JOIN LATERAL (
         SELECT coalesce(CASE WHEN by_lsn THEN (p.lsn_space, p.tracked_from_lsn) <= (c.lsn_space, p_at_lsn)
                              ELSE p.tracked_from_ts <= at_ts END, false) AS has_begun,
                coalesce(CASE WHEN by_lsn THEN (p.lsn_space, p.tracked_to_lsn) = (c.lsn_space, p_at_lsn)
                              ELSE p.tracked_to_ts = at_ts END, false) AS ends_here,
                EXISTS (SELECT FROM pgtimewarp.history_gaps g
                         WHERE g.node_id = p_node_id AND g.relation_id = p.relation_id
                           AND CASE WHEN by_lsn THEN g.to_lsn = p_at_lsn ELSE g.to_ts = at_ts END) AS was_in_gap) b
   CROSS JOIN LATERAL (SELECT b.has_begun AND b.ends_here AND NOT b.was_in_gap AS is_settled) s
   WHERE p.node_id = p_node_id AND p.schema_name = p_schema AND p.table_name = p_table
   ORDER BY b.has_begun DESC, s.is_settled DESC, CASE WHEN s.is_settled THEN p.relation_id END, p.tracked_from_ts DESC NULLS LAST
   LIMIT 1;
  period := known.period;
  IF period.relation_id IS NULL THEN
    PERFORM pgtimewarp.raise_not_tracked(p_node_id, p_schema, p_table);
  END IF;
  is_open := period.tracked_to_lsn IS NULL AND period.lsn_space = known.lsn_space;

  IF by_lsn THEN
    at_space := known.lsn_space;
    SELECT m.lsn INTO at_lsn FROM pgtimewarp.commit_at_lsn(p_node_id, at_space, p_at_lsn) m;
  ELSIF at_ts > known.applied_ts THEN
    at_space := known.lsn_space; at_lsn := known.applied_lsn;
  ELSE
    SELECT m.lsn_space, m.lsn INTO at_space, at_lsn FROM pgtimewarp.commit_at_time(p_node_id, NULL, at_ts) m;
  END IF;

  SELECT EXISTS (
           SELECT FROM pgtimewarp.relation_leaves l
            WHERE l.relation_id = period.relation_id AND l.attached AND NOT l.checked
              AND CASE WHEN by_lsn THEN l.seen_after_lsn < p_at_lsn ELSE l.seen_after_ts < at_ts END) AS leaf_unjudged,
         bool_or(CASE WHEN by_lsn THEN g.lsn_space = known.lsn_space AND g.from_lsn < p_at_lsn
                                       AND (g.to_lsn IS NULL OR p_at_lsn < g.to_lsn)
                      ELSE g.from_ts < at_ts AND (g.to_ts IS NULL OR at_ts < g.to_ts) END) AS is_here,
         bool_or(g.to_ts IS NULL) AS is_open
    INTO gap
    FROM pgtimewarp.history_gaps g
   WHERE g.node_id = p_node_id AND (g.relation_id IS NULL OR g.relation_id = period.relation_id);

  IF NOT known.has_begun THEN
    reason := CASE WHEN period.tracked_from_lsn IS NULL THEN 'baseline_pending' ELSE 'before_tracking' END;
  ELSIF (by_lsn AND (period.lsn_space < known.lsn_space OR p_at_lsn > period.tracked_to_lsn)) OR at_ts > period.tracked_to_ts
     OR gap.is_here THEN
    reason := 'in_gap';
  ELSIF p_at_lsn < known.expired_before_lsn OR at_ts < known.expired_before_ts THEN
    reason := 'expired';
  ELSE
    -- The map drops horizons of earlier runs, so its last entry may lie before the start of tracking.
    IF at_space IS DISTINCT FROM period.lsn_space OR at_lsn IS NULL OR at_lsn < period.tracked_from_lsn THEN
      at_space := period.lsn_space; at_lsn := period.tracked_from_lsn;
    END IF;
    at_lsn := greatest(at_lsn, known.expired_before_lsn); -- older entries of the map may be gone
    IF at_lsn + 1 < known.before_lsn THEN
      archived_before_lsn := pgtimewarp.archived_before(period, at_lsn);
    END IF;
    IF archived_before_lsn IS NOT NULL AND NOT p_may_be_archived THEN
      PERFORM pgtimewarp.archived_part(NULL, period, archived_before_lsn, at_lsn, at_lsn);
    END IF;
  END IF;
  final := coalesce(CASE WHEN by_lsn THEN p_at_lsn <= known.applied_lsn ELSE at_ts <= known.applied_ts END, false)
    AND reason IS DISTINCT FROM 'baseline_pending' AND NOT gap.leaf_unjudged
    AND NOT (by_lsn AND p_at_lsn = known.applied_lsn AND (coalesce(gap.is_open, false) OR coalesce(reason = 'in_gap', false)));
  RETURN ROW(
    period, known.has_begun, is_open, CASE WHEN is_open THEN known.applied_lsn ELSE period.tracked_to_lsn END, at_ts, p_at_lsn, at_space, at_lsn,
    reason, final, known.applied_lsn, known.applied_ts, known.expired_before_lsn, known.expired_before_ts,
    archived_before_lsn);
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.position_at(text, text, text, timestamptz, pg_lsn, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.position_at(text, text, text, timestamptz, pg_lsn, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
