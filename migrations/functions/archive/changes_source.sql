-- What a statement reads the changes of a relation from, as text for its FROM: row_changes or, with a part of the archive
-- (archived_part()), the changes of that part and the later ones of the store. The store's copies of earlier changes are left out: the
-- part has what is needed of them. Called by functions that have set search_path; without a SET clause PostgreSQL inlines it.
CREATE OR REPLACE FUNCTION pgtimewarp.changes_source(p_relation_id int, p_part json) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p_part IS NULL THEN 'pgtimewarp.row_changes' ELSE format(
    '(SELECT c.valid_from_lsn, c.valid_from_ts, c.xid, c.read_lsn, c.relation_id, c.seq, c.leaf_id, c.op, c.pk, c.row_data, c.incomplete,
             c.json_nulls, c.nulls_assumed
        FROM pgtimewarp.row_changes AS c WHERE c.relation_id = %1$s AND c.valid_from_lsn >= %2$L
       UNION ALL
      SELECT a.valid_from_lsn, a.valid_from_ts, a.xid, a.read_lsn, a.relation_id, a.seq, a.leaf_id, a.op, a.pk COLLATE "C", a.row_data, a.incomplete,
             a.json_nulls, a.nulls_assumed
        FROM pgtimewarp.archived_changes(%1$s, %3$L) AS a WHERE a.valid_from_lsn < %2$L)',
    p_relation_id, p_part ->> 'before', p_part) END
$$;

REVOKE ALL ON FUNCTION pgtimewarp.changes_source(int, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.changes_source(int, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
