-- The changes of all keys of a table in (from, to], in commit order, over all periods: see period_changes(). Page by page: pass
-- relation_id, lsn, seq and pk of the last row received. Runs only add rows after it. p_archived: the changes that are in the archive, see
-- archived_part().
-- Its parameters: the question, its two ends in both forms, the filter, and the page.
CREATE OR REPLACE FUNCTION pgtimewarp.table_changes(
  p_node_id text, p_schema text, p_table text, p_from_ts timestamptz, p_from_lsn pg_lsn, p_to_ts timestamptz, p_to_lsn pg_lsn,
  p_filter jsonb, p_after_relation_id int, p_after_lsn pg_lsn, p_after_seq int, p_after_pk text, p_limit int, p_max_bytes bigint,
  p_archived json DEFAULT NULL)
RETURNS SETOF pgtimewarp.history_change
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ends record;
  place record;
  after pgtimewarp.history_change;
  change pgtimewarp.history_change;
  given int := 0;
  bytes bigint := 0;
  part json;
BEGIN
  PERFORM pgtimewarp.refuse_operations(p_filter, 'changes', '{I,U,D,T,S}');
  ends := pgtimewarp.diff_positions(p_node_id, p_schema, p_table, p_from_ts, p_from_lsn, p_to_ts, p_to_lsn, p_kind => NULL);
  PERFORM pgtimewarp.refuse_other_cursor(p_node_id, p_schema, p_table, p_after_relation_id);
  -- a filter is checked against the present table, even if the interval touches no period
  PERFORM pgtimewarp.row_filters((ends.to_at).period, p_filter -> 'where', true);
  PERFORM pgtimewarp.changed_filter((ends.to_at).period, p_filter -> 'changed', true);
  FOR place IN
    SELECT d.* FROM pgtimewarp.diff_periods(ends.from_at, ends.to_at) AS d
     WHERE p_after_relation_id IS NULL OR (d.period).relation_id >= p_after_relation_id
     ORDER BY (d.period).relation_id
  LOOP
    after := CASE WHEN (place.period).relation_id = p_after_relation_id AND p_after_lsn > place.lower_lsn THEN
      ROW(p_after_relation_id, p_after_lsn, p_after_seq, p_after_pk, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::pgtimewarp.history_change END;
    -- after the cutoff the store has what follows
    part := pgtimewarp.archived_part(
      p_archived, place.period, pgtimewarp.archived_before(place.period, greatest(place.lower_lsn, after.lsn)), place.lower_lsn,
      place.upper_lsn, 'changes');
    FOR change IN
      SELECT c.* FROM pgtimewarp.period_changes(place.period, place.lower_lsn, place.upper_lsn, place.through, p_filter, after,
                                                p_limit - given, p_max_bytes - bytes, part) AS c
    LOOP
      RETURN NEXT change;
      given := given + 1;
      bytes := bytes + coalesce(octet_length(change.context::text), 0) + coalesce(octet_length(change.before::text), 0) + coalesce(octet_length(change.after::text), 0);
    END LOOP;
    IF given >= p_limit OR bytes > p_max_bytes THEN
      RETURN;
    END IF;
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.table_changes(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, jsonb, int, pg_lsn, int, text, int, bigint, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.table_changes(text, text, text, timestamptz, pg_lsn, timestamptz, pg_lsn, jsonb, int, pg_lsn, int, text, int, bigint, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
