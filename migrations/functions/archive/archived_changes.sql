-- The changes of a part of the archive (see archived_part()) as rows of row_changes. In the part all values are texts: positions as
-- decimal numbers, times as microseconds since 1970, arrays and the row as JSON, so that the row is the stored text to the letter.
CREATE OR REPLACE FUNCTION pgtimewarp.archived_changes(p_relation_id int, p_part json)
RETURNS TABLE (valid_from_lsn pg_lsn, valid_from_ts timestamptz, xid bigint, read_lsn pg_lsn, relation_id int, seq int, leaf_id int, op "char",
               pk text, row_data json, incomplete text[], json_nulls text[], nulls_assumed boolean)
LANGUAGE sql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp AS $$
  SELECT '0/0'::pg_lsn + r.valid_from_lsn, 'epoch'::timestamptz + r.valid_from_ts * interval '1 microsecond', r.xid,
         '0/0'::pg_lsn + r.read_lsn, p_relation_id, r.seq, r.leaf_id, r.op::"char", r.pk, r.row_data::json,
         CASE WHEN r.incomplete IS NOT NULL THEN ARRAY(
           SELECT e.name FROM json_array_elements_text(r.incomplete::json) WITH ORDINALITY AS e (name, place) ORDER BY e.place) END,
         CASE WHEN r.json_nulls IS NOT NULL THEN ARRAY(
           SELECT e.name FROM json_array_elements_text(r.json_nulls::json) WITH ORDINALITY AS e (name, place) ORDER BY e.place) END,
         r.nulls_assumed
    FROM json_to_recordset(p_part -> 'rows') AS r (
           pk text, valid_from_lsn numeric, seq int, op text, valid_from_ts bigint, xid bigint, leaf_id int, read_lsn numeric, row_data text,
           incomplete text, json_nulls text, nulls_assumed boolean)
$$;

REVOKE ALL ON FUNCTION pgtimewarp.archived_changes(int, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.archived_changes(int, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
