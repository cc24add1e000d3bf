-- The state of a key within one period as of (p_lsn, p_seq), including the change at that very place. The caller makes sure that
-- the position lies within the period. p_through is the position up to which the period is complete (its end, or the horizon);
-- p_open says whether the period may still grow; p_part has the changes that are in the archive (archived_part()). Called by functions
-- that have set search_path.
--
-- The text of each statement contains the relation id. With a parameter, the executor would lock every partition of row_changes
-- before it knows the relation. (docs/decisions/0024-own-locks.md)
CREATE OR REPLACE FUNCTION pgtimewarp.version_at(
  p_period pgtimewarp.relation_periods, p_pk text, p_lsn pg_lsn, p_seq int, p_through pg_lsn, p_open boolean,
  p_part json DEFAULT NULL)
RETURNS pgtimewarp.key_state
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
  s pgtimewarp.key_state;
  relation int := p_period.relation_id;
  changes text := pgtimewarp.changes_source(p_period.relation_id, p_part);
  start pg_lsn := p_period.tracked_from_lsn;
  is_pending boolean := p_period.baseline_state = 'pending' AND p_open;
  ver record;  -- the last change at or before the position
  nxt record;  -- the first change after it
  cut record;  -- the first TRUNCATE after ver (or after the start of tracking)
  seen boolean;
  truncated boolean;
  cut_first boolean; -- the next event of the key is the TRUNCATE
  told boolean;      -- no change was lost between the position and nxt, so nxt shows what was there
BEGIN
  EXECUTE format(
    'SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id, r.read_lsn, r.row_data,
            r.incomplete, r.json_nulls, r.nulls_assumed
       FROM %2$s r
      WHERE r.relation_id = %1$s AND r.pk = $1 AND r.valid_from_lsn <= $2 AND (r.valid_from_lsn, r.seq) <= ($2, $3)
      ORDER BY r.valid_from_lsn DESC, r.seq DESC LIMIT 1', relation, changes) INTO ver USING p_pk, p_lsn, p_seq;
  EXECUTE format(
    'SELECT r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.op, r.leaf_id
       FROM %2$s r
      WHERE r.relation_id = %1$s AND r.pk = $1 AND r.valid_from_lsn >= $2 AND (r.valid_from_lsn, r.seq) > ($2, $3)
      ORDER BY r.valid_from_lsn, r.seq LIMIT 1', relation, changes) INTO nxt USING p_pk, p_lsn, p_seq;
  SELECT e.lsn, e.seq, e.ts, e.xid INTO cut
    FROM pgtimewarp.truncates_after(
           relation, coalesce(ver.lsn, start), ver.seq, ver.op, coalesce(ver.leaf_id, nxt.leaf_id)) e
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

  -- A baseline row is the row at the start only if no change came between the start and its reading. A TRUNCATE in between
  -- does not void it: a row read after the TRUNCATE would have an INSERT in the log.
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
    -- Every row from the start is gone. While the baseline is read, a row from before the TRUNCATE may still be found.
    s.status := 'absent'; s.reason := 'not_yet_inserted'; s.settled := NOT is_pending;
  ELSIF told AND nxt.op = 'I' AND NOT cut_first THEN
    s.status := 'absent'; s.reason := 'not_yet_inserted'; -- no event between the start and an INSERT: it was not there
  ELSIF told AND nxt.op <> 'I' OR ver.lsn IS NOT NULL THEN
    s.status := 'unknown'; s.reason := 'before_tracking'; -- it was there, but no run read it in time
  ELSIF is_pending THEN
    s.status := 'unknown'; s.reason := 'baseline_pending'; s.settled := false;
  ELSIF p_period.baseline_state = 'done' AND p_lsn >= coalesce(p_period.unseen_unknown_before_lsn, start) THEN
    s.status := 'absent'; s.reason := 'not_yet_inserted';
  ELSE
    -- A later change of the key may still decide this: an INSERT shows that it was not there.
    s.status := 'unknown'; s.reason := 'before_tracking'; s.settled := nxt.lsn IS NOT NULL OR NOT p_open;
  END IF;
  RETURN s;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.version_at(pgtimewarp.relation_periods, text, pg_lsn, int, pg_lsn, boolean, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.version_at(pgtimewarp.relation_periods, text, pg_lsn, int, pg_lsn, boolean, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
