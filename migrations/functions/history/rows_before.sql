-- The row of each of these keys right before a place in the history (p_lsns, p_seqs), without the change at the place. `place`
-- is the number of the key. is_there is NULL if it is not known whether the row was there, or with which values. p_through is the
-- position up to which the period is complete; p_unseen_is_absent: a key without any version was absent at all places.
--
-- The rules are those of version_at(), for many keys at once; here the next change may be the one at the place. p_part: what the archive
-- has around these places (archived_part()), beside what the store has. It has no index, so it is joined as a whole.
-- The relation is a constant in the text of the statement (docs/decisions/0024-own-locks.md).
CREATE OR REPLACE FUNCTION pgtimewarp.rows_before(
  p_relation_id int, p_start pg_lsn, p_through pg_lsn, p_pks text[], p_lsns pg_lsn[], p_seqs int[],
  p_unseen_is_absent boolean DEFAULT false, p_part json DEFAULT NULL)
RETURNS TABLE (place bigint, is_there boolean, leaf_id int, row_data json, json_nulls text[], incomplete text[],
               nulls_assumed boolean, lsn pg_lsn, seq int, ts timestamptz, xid bigint, op "char")
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
  changes CONSTANT text := 'SELECT c.leaf_id, c.row_data, c.json_nulls, c.incomplete, c.nulls_assumed, c.valid_from_lsn, c.seq, c.valid_from_ts,
                 c.xid, c.op, c.read_lsn';
  former text := changes || '
            FROM pgtimewarp.row_changes AS c
           WHERE c.relation_id = %1$s AND c.pk = k.pk AND c.valid_from_lsn <= k.lsn AND (c.valid_from_lsn, c.seq) < (k.lsn, k.seq)
           ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1';
  later text := changes || '
            FROM pgtimewarp.row_changes AS c
           WHERE (v.op IS NULL OR v.op = ''S'') AND c.relation_id = %1$s AND c.pk = k.pk
             AND c.valid_from_lsn >= k.lsn AND (c.valid_from_lsn, c.seq) >= (k.lsn, k.seq)
           ORDER BY c.valid_from_lsn, c.seq LIMIT 1';
  keys text := '(SELECT u.pk COLLATE "C" AS pk, u.lsn, u.seq, u.place
               FROM unnest($3, $4, $5) WITH ORDINALITY AS u (pk, lsn, seq, place))';
  archived text := '';
BEGIN
  IF p_part IS NOT NULL THEN
    archived := 'WITH k AS MATERIALIZED ' || keys || ',
      archived AS MATERIALIZED (
        SELECT a.*, a.pk COLLATE "C" AS key FROM pgtimewarp.archived_changes(%1$s, $7) AS a
         WHERE a.valid_from_lsn < ($7 ->> ''before'')::pg_lsn),
      formers AS MATERIALIZED (
        SELECT DISTINCT ON (k.place) k.place, c.*
          FROM k JOIN archived AS c ON c.key = k.pk AND (c.valid_from_lsn, c.seq) < (k.lsn, k.seq)
         ORDER BY k.place, c.valid_from_lsn DESC, c.seq DESC),
      nexts AS MATERIALIZED (
        SELECT DISTINCT ON (k.place) k.place, c.*
          FROM k JOIN archived AS c ON c.key = k.pk AND (c.valid_from_lsn, c.seq) >= (k.lsn, k.seq)
         ORDER BY k.place, c.valid_from_lsn, c.seq) ';
    keys := 'k';
    former := format('SELECT c.* FROM ((%s) UNION ALL (%s FROM formers AS c WHERE c.place = k.place)) AS c
           ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1', former, changes);
    later := format('SELECT c.* FROM ((%s) UNION ALL (%s FROM nexts AS c WHERE c.place = k.place AND (v.op IS NULL OR v.op = ''S''))) AS c
           ORDER BY c.valid_from_lsn, c.seq LIMIT 1', later, changes);
  END IF;
  RETURN QUERY EXECUTE format(
    archived || 'SELECT k.place, CASE
              WHEN v.op = ''D'' OR EXISTS (
                   SELECT FROM pgtimewarp.truncates_after(%1$s, coalesce(v.valid_from_lsn, $1), v.seq, v.op, v.leaf_id) AS e
                    WHERE (e.lsn, e.seq) < (k.lsn, k.seq)) THEN false
              WHEN v.op <> ''S'' THEN true
              -- the key had no change between the start of tracking and this insert, so the row was absent
              WHEN n.op = ''I'' AND (v.op IS NULL OR n.valid_from_lsn <= v.read_lsn)
                   AND ((n.valid_from_lsn, n.seq) = (k.lsn, k.seq)
                        -- after a TRUNCATE or a gap, an insert does not show whether the row was there before
                        OR NOT EXISTS (
                             SELECT FROM pgtimewarp.truncates_after(%1$s, k.lsn, k.seq, ''I'', coalesce(v.leaf_id, n.leaf_id)) AS e
                              WHERE (e.lsn, e.seq) < (n.valid_from_lsn, n.seq))
                           AND NOT EXISTS (
                             SELECT FROM pgtimewarp.history_gaps AS g
                              WHERE g.relation_id = %1$s AND g.from_lsn >= k.lsn AND g.from_lsn < n.valid_from_lsn)) THEN false
              WHEN v.op = ''S'' AND v.read_lsn <= $2 AND (n.op IS NULL OR n.valid_from_lsn > v.read_lsn) THEN true
              WHEN v.op IS NULL AND $6 AND (n.op IS NULL OR n.op = ''I'' OR EXISTS (
                   SELECT FROM pgtimewarp.history_gaps AS g
                    WHERE g.relation_id = %1$s AND g.from_lsn >= k.lsn AND g.from_lsn < n.valid_from_lsn)) THEN false
            END, v.leaf_id, v.row_data, v.json_nulls, v.incomplete, v.nulls_assumed, v.valid_from_lsn, v.seq, v.valid_from_ts, v.xid, v.op
       FROM ' || keys || ' AS k
       LEFT JOIN LATERAL (' || former || ') AS v ON true
       LEFT JOIN LATERAL (' || later || ') AS n ON true
      ORDER BY k.place', p_relation_id)
    USING p_start, p_through, p_pks, p_lsns, p_seqs, p_unseen_is_absent, p_part;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.rows_before(int, pg_lsn, pg_lsn, text[], pg_lsn[], int[], boolean, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.rows_before(int, pg_lsn, pg_lsn, text[], pg_lsn[], int[], boolean, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
