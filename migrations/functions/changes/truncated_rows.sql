-- The rows of a table right before a TRUNCATE: a page of p_limit keys after p_after, in their order. is_there is false
-- for a row that was already gone, or whose partition was not emptied. A page with fewer keys than the limit is the last.
-- p_is_rewritten: only keys that have versions at or after the TRUNCATE. p_part: if the archive has the TRUNCATE, what it has of all keys.
CREATE OR REPLACE FUNCTION pgtimewarp.truncated_rows(
  p_period pgtimewarp.relation_periods, p_event pgtimewarp.relation_events, p_through pg_lsn, p_after text, p_limit int,
  p_is_rewritten boolean, p_part json DEFAULT NULL)
RETURNS TABLE (pk text, is_there boolean, row_data json, json_nulls text[], incomplete text[], nulls_assumed boolean, written_lsn pg_lsn)
LANGUAGE plpgsql STABLE ROWS 500
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
  keys text[];
BEGIN
  EXECUTE format(
    'SELECT array_agg(k.pk ORDER BY k.pk) FROM (
       SELECT DISTINCT c.pk FROM %3$s AS c
        WHERE c.relation_id = %1$s AND c.pk > $1 AND c.valid_from_lsn %2$s $2 ORDER BY c.pk LIMIT $3) AS k', p_period.relation_id,
    CASE WHEN p_is_rewritten THEN '>=' ELSE '<=' END, pgtimewarp.changes_source(p_period.relation_id, p_part))
    INTO keys USING p_after, p_event.lsn, p_limit;
  IF keys IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT keys[b.place], b.is_there AND (p_event.leaf_id IS NULL OR b.leaf_id IS NOT DISTINCT FROM p_event.leaf_id),
           b.row_data, b.json_nulls, b.incomplete, b.nulls_assumed, b.lsn
      FROM pgtimewarp.rows_before(p_period.relation_id, p_period.tracked_from_lsn, p_through, keys,
             array_fill(p_event.lsn, ARRAY[cardinality(keys)]), array_fill(p_event.seq, ARRAY[cardinality(keys)]), p_part => p_part) AS b
     ORDER BY b.place;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.truncated_rows(pgtimewarp.relation_periods, pgtimewarp.relation_events, pg_lsn, text, int, boolean, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.truncated_rows(pgtimewarp.relation_periods, pgtimewarp.relation_events, pg_lsn, text, int, boolean, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
