-- The next change that the ranges of a tracked relation need before positions up to p_upto are written. The window is that of
-- hot_window().
--   convert: the relation has no ranges yet, and its history began an eighth of the window ago or is larger than 64 MiB.
--            Earlier, ranges have no use, and for each one the server checks all constraints of the store: tracking a thousand
--            tables would take minutes. Closing the first range needs a scan, which is short only while the table is small.
--   split:   close the range that is written now at the horizon, if it has been written for an eighth of the window, or is
--            the open one. Otherwise a quiet table would never forget. Or: create ranges ahead, past p_upto, each as wide as
--            the log grows in a tenth of the window. The open range after them stays empty, so splitting it is cheap; it
--            takes rows that arrive unexpectedly.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_next(p_relation_id int, p_upto pg_lsn)
RETURNS TABLE (action text, table_name text, at pg_lsn[], opened_ts timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  h record;
  current_range pgtimewarp.relation_ranges;
  last_range pgtimewarp.relation_ranges;
  width numeric;
BEGIN
  SELECT c.node_id, c.lsn_space, c.applied_lsn AS lsn, c.applied_ts AS ts, w.retention, p.tracked_from_ts INTO h
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id AND c.lsn_space = p.lsn_space
   CROSS JOIN pgtimewarp.hot_window(p.relation_id) AS w (retention)
   WHERE p.relation_id = p_relation_id AND p.tracked_to_lsn IS NULL AND w.retention IS NOT NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id) THEN
    IF h.tracked_from_ts <= h.ts - h.retention / 8
       OR pg_relation_size(to_regclass(format('pgtimewarp.row_changes_r%s', p_relation_id))) > 67108864 THEN
      action := 'convert';
      RETURN NEXT;
    END IF;
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
    -- a backlog gets wider ranges, not more of them
    width := ceil(greatest(width, (p_upto + 2 * width - last_range.from_lsn) / 8));
    action := 'split'; table_name := last_range.table_name; opened_ts := NULL;
    at := ARRAY(SELECT last_range.from_lsn + n * width
                  FROM generate_series(1, ceil((p_upto + width - last_range.from_lsn) / width)) n);
    RETURN NEXT;
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_next(int, pg_lsn) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_next(int, pg_lsn)
   TO pgtimewarp_writer, pgtimewarp_admin;
