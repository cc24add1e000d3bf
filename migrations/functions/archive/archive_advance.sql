-- Moves the archive's cutoff of a relation to the end of the last range that is in the archive as a whole and verified, but never back.
-- A range may end later than the last verified unit, if it has no change in between: a unit ends with a commit.
-- Returns whether it moved. From the commit on, questions about what lies before it are answered from the archive; the ranges are dropped
-- later, as by retention (retention_new_table()). While a baseline or a repair may still write rows that belong there, it stays.
-- The first time it also notes what table_at() and table_frame() ask of the changes that came while the baseline was read.
CREATE OR REPLACE FUNCTION pgtimewarp.archive_advance(p_relation_id int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p pgtimewarp.relation_periods;
  verified pg_lsn := pgtimewarp.archive_verified_to(p_relation_id);
  upto pg_lsn;
  further pg_lsn;
  has_changes boolean;
  meanwhile record;
BEGIN
  SELECT q.* INTO p
    FROM pgtimewarp.relation_periods AS q
    JOIN pgtimewarp.archive_settings AS s
      ON s.node_id = q.node_id AND s.schema_name = q.schema_name AND s.table_name = q.table_name AND s.is_on AND s.drops
    JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = q.relation_id AND t.repair IS NULL
   WHERE q.relation_id = p_relation_id AND q.baseline_state <> 'pending';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  SELECT max(g.to_lsn) FILTER (WHERE g.to_lsn <= verified), min(g.to_lsn) FILTER (WHERE g.to_lsn > verified) INTO upto, further
    FROM pgtimewarp.relation_ranges AS g
   WHERE g.relation_id = p_relation_id AND g.state = 'attached' AND NOT g.is_base
     AND g.to_lsn <= (SELECT c.applied_lsn + 1 FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = p.node_id);
  IF further IS NOT NULL THEN
    EXECUTE format(
      'SELECT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                       WHERE c.relation_id = %1$s AND c.valid_from_lsn >= $1 AND c.valid_from_lsn < $2)
           OR EXISTS (SELECT FROM pgtimewarp.relation_events AS e WHERE e.relation_id = %1$s AND e.lsn >= $1 AND e.lsn < $2)',
      p_relation_id) INTO has_changes USING verified, further;
    upto := CASE WHEN has_changes THEN upto ELSE further END;
  END IF;
  IF upto IS NULL THEN
    RETURN false;
  END IF;
  IF NOT EXISTS (SELECT FROM pgtimewarp.archive_cutoffs AS a WHERE a.relation_id = p_relation_id) THEN
    EXECUTE format(
      'SELECT count(*) > 0 AS has_changed, array_agg(r.valid_from_lsn ORDER BY r.valid_from_lsn) FILTER (
                WHERE NOT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                                   WHERE c.relation_id = %1$s AND c.pk = r.pk
                                     AND (c.valid_from_lsn, c.seq) < (r.valid_from_lsn, r.seq))) AS unread_lsns
         FROM pgtimewarp.row_changes AS r
        WHERE r.relation_id = %1$s AND r.valid_from_lsn > $1 AND r.valid_from_lsn <= $2 AND r.op IN (''U'', ''D'')', p_relation_id)
      INTO meanwhile USING p.tracked_from_lsn, p.baseline_lsn;
  ELSE
    SELECT a.has_changed, a.unread_lsns INTO meanwhile FROM pgtimewarp.archive_cutoffs AS a WHERE a.relation_id = p_relation_id;
  END IF;
  INSERT INTO pgtimewarp.archive_cutoffs AS a (relation_id, before_lsn, before_ts, upto_lsn, cutoff_xid, has_changed, unread_lsns)
  SELECT p_relation_id, least(verified, upto), greatest(m.ts, p.tracked_from_ts), upto, pg_current_xact_id(),
         meanwhile.has_changed, coalesce(meanwhile.unread_lsns, '{}')
    FROM pgtimewarp.commit_at_lsn(p.node_id, p.lsn_space, least(verified, upto) - 1) AS m
  ON CONFLICT ON CONSTRAINT archive_cutoffs_pkey DO UPDATE -- moved before
     SET before_lsn = excluded.before_lsn, before_ts = greatest(a.before_ts, excluded.before_ts), upto_lsn = excluded.upto_lsn,
         cutoff_xid = excluded.cutoff_xid
   WHERE a.before_lsn <= excluded.before_lsn AND a.upto_lsn < excluded.upto_lsn;
  RETURN FOUND;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.archive_advance(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.archive_advance(int)
   TO pgtimewarp_writer, pgtimewarp_admin;
