-- Copies the next keys into the new lowest range: the last version of each key before the range's upper end, unless it is deleted.
-- Returns whether all keys are copied. History below the cutoff does not change, so a later run can continue.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_build(p_relation_id integer, p_rows integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
  r pgtimewarp.relation_ranges;
  last_pk text COLLATE "C";
BEGIN
  SELECT * INTO r FROM pgtimewarp.relation_ranges g WHERE g.relation_id = p_relation_id AND g.state <> 'attached' FOR UPDATE;
  IF NOT FOUND OR r.state = 'built' THEN
    RETURN true;
  END IF;
  EXECUTE format(
    'SELECT c.pk FROM pgtimewarp.row_changes c WHERE c.relation_id = %s AND c.valid_from_lsn < %L AND c.pk > %L
      ORDER BY c.pk OFFSET %s LIMIT 1', p_relation_id, r.to_lsn, r.built_to_pk, p_rows) INTO last_pk;
  EXECUTE format(
    'INSERT INTO pgtimewarp.%I (valid_from_lsn, valid_from_ts, xid, read_lsn, relation_id, seq, leaf_id, op, pk, row_data,
            incomplete, json_nulls, nulls_assumed)
     SELECT v.valid_from_lsn, v.valid_from_ts, v.xid, v.read_lsn, %s, v.seq, v.leaf_id, v.op, v.pk, v.row_data,
            v.incomplete, v.json_nulls, v.nulls_assumed
       FROM pgtimewarp.rows_at($1, $2, p_after => $3, p_upto => $4) v
      WHERE $5 OR v.is_there IS NOT FALSE
      ORDER BY v.pk', r.table_name, p_relation_id)
    USING p_relation_id, r.to_lsn - 1, r.built_to_pk, last_pk, r.keeps_deletions;
  UPDATE pgtimewarp.relation_ranges
     SET built_to_pk = coalesce(last_pk, built_to_pk), state = CASE WHEN last_pk IS NULL THEN 'built' ELSE state END,
         built_xid = CASE WHEN last_pk IS NULL THEN pg_current_xact_id() END
   WHERE relation_id = p_relation_id AND table_name = r.table_name;
  RETURN last_pk IS NULL;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_build(int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_build(int, int)
   TO pgtimewarp_writer, pgtimewarp_admin;
