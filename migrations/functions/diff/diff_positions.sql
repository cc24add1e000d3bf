-- The ends of (from, to] in the history of a table. Without time and LSN the interval begins at the start of tracking, and from_at
-- is NULL in all members. Without an end the interval ends at the time of the horizon. Raises TW007 if changes of the interval are in the
-- archive and p_archived does not have them, as a part of the kind p_kind: see archived_part(). NULL: the caller needs no changes.
-- Called by functions that have set search_path.
CREATE OR REPLACE FUNCTION pgtimewarp.diff_positions(
  p_node_id text, p_schema text, p_table text,
  p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn, p_archived json DEFAULT NULL, p_kind text DEFAULT 'keys',
  OUT from_at pgtimewarp.history_position, OUT to_at pgtimewarp.history_position)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF p_from_ts IS NOT NULL OR p_from_lsn IS NOT NULL THEN
    from_at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, true);
  END IF;
  IF p_to_ts IS NULL AND p_to_lsn IS NULL THEN
    p_to_ts := greatest((SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints c WHERE c.node_id = p_node_id), p_from_ts,
                        pgtimewarp.time_at(p_node_id, from_at.lsn_space, p_from_lsn));
  END IF;
  to_at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_to_ts, p_to_lsn, true);
  IF p_kind IS NOT NULL AND EXISTS (SELECT FROM pgtimewarp.archive_cutoffs) THEN
    PERFORM pgtimewarp.archived_part(
              p_archived, d.period, pgtimewarp.archived_before(d.period, d.lower_lsn), d.lower_lsn, d.upper_lsn, p_kind)
       FROM pgtimewarp.diff_periods(from_at, to_at) AS d;
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.diff_positions(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, json, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.diff_positions(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, json, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
