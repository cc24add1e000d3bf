-- The reason why the rows of a table as of an instant cannot be read from the live table together with the keys that changed
-- since; NULL if they can. The live rows may be used only if the history has every change since the instant as a change of a
-- key: see docs/decisions/0038-the-past-in-sql.md. p_question.source is the state of the source: {lsn: the statement sees
-- commits up to here, slot, slot_lsn: how far that slot is read, keys: the columns of the key}, or {why} if the source needs
-- the store alone. Called by functions that have set search_path.
CREATE OR REPLACE FUNCTION pgtimewarp.past_not_live(p_at pgtimewarp.history_position, p_question jsonb) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  period pgtimewarp.relation_periods := p_at.period;
  source jsonb := p_question -> 'source';
  seen pg_lsn := source ->> 'lsn';
  slot text := (SELECT n.slot_name FROM pgtimewarp.nodes n WHERE n.node_id = period.node_id);
BEGIN
  RETURN CASE
    WHEN source ? 'why' OR seen IS NULL THEN coalesce(source ->> 'why', 'asked')
    WHEN source ->> 'slot' <> slot OR source ->> 'slot_lsn' IS NULL THEN format('the slot %s is not in this database', slot)
    WHEN (source ->> 'slot_lsn')::pg_lsn < seen OR p_at.horizon_lsn < seen THEN 'no run has read up to this statement yet'
    WHEN NOT p_at.is_open THEN 'the table is not tracked any more, or was tracked anew'
    WHEN to_jsonb(period.pk_columns) <> source -> 'keys' THEN 'the key of the table is another one'
    WHEN EXISTS (SELECT FROM pgtimewarp.tracked_relations t
                  WHERE t.relation_id = period.relation_id AND t.status <> 'active')
      OR EXISTS (SELECT FROM pgtimewarp.history_gaps g
                  WHERE g.node_id = period.node_id AND (g.relation_id IS NULL OR g.relation_id = period.relation_id)
                    AND g.to_ts IS NULL) THEN 'a gap is open'
    WHEN EXISTS (SELECT FROM pgtimewarp.relation_leaves l
                  WHERE l.relation_id = period.relation_id AND l.attached AND NOT l.checked)
      THEN 'it is not known yet whether a new partition came with rows'
    WHEN EXISTS (SELECT FROM pgtimewarp.relation_events e
                  WHERE e.relation_id = period.relation_id AND e.op = 'T' AND e.lsn > p_at.lsn) THEN 'the table was truncated since'
  END;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.past_not_live(pgtimewarp.history_position, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.past_not_live(pgtimewarp.history_position, jsonb)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
