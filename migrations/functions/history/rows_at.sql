-- The rows of a relation as of a position: for each key the last version at or before the position, and whether the row was there.
-- It takes a list of keys (p_keys), or a page of all keys that have a version, in key order: those after p_after, up to and
-- including p_upto, the first p_limit of them. Pass the last key of a page to get the next one. A page with fewer keys than the
-- limit is the last.
--
-- is_there: false when the version is a deletion, or a TRUNCATE up to the position has closed it. NULL when the version cannot show
-- it: a baseline row (S) was read after the position, and the key changed between the position and the reading. A baseline row is
-- decided when the log is applied up to its read_lsn (`through` of position_at()). A key without a version is not listed.
--
-- A page is read by index: first its keys, then the last version of each. Otherwise the planner reads and sorts the whole table.
-- A page and a list of keys must follow the same rules, hence the many parameters. The text of the statement contains the
-- relation id, so that it locks only the partitions of this table (docs/decisions/0024-own-locks.md).
--
-- With a part of the archive (archived_part()) the position lies before its cutoff. Then the last versions are those of the part,
-- which has them for an interval of keys; p_upto must not go beyond it. The store has at most later changes of the keys.
CREATE OR REPLACE FUNCTION pgtimewarp.rows_at(
  p_relation_id int, p_lsn pg_lsn, p_after text DEFAULT NULL, p_upto text DEFAULT NULL, p_limit int DEFAULT NULL,
  p_keys text[] DEFAULT NULL, p_part json DEFAULT NULL)
RETURNS SETOF pgtimewarp.row_at
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
DECLARE
  page text;
  versions text;
  truncated text := '';
BEGIN
  IF p_relation_id IS NULL THEN
    RETURN;
  END IF;
  -- the statement contains only the conditions of this call: the planner estimates them better than comparisons with NULL
  page := concat(
    CASE WHEN p_after IS NOT NULL THEN ' AND c.pk > $2' END,
    CASE WHEN p_upto IS NOT NULL THEN ' AND c.pk <= $3' END);
  IF p_part IS NULL THEN
    versions := concat(
      'SELECT c.*, NULL::pg_lsn AS next_lsn
         FROM (SELECT DISTINCT c.pk FROM ', CASE
         WHEN p_keys IS NULL THEN 'pgtimewarp.row_changes AS c WHERE c.relation_id = %1$s AND c.valid_from_lsn <= $1'
         ELSE '(SELECT u.pk COLLATE "C" AS pk FROM unnest($5) AS u (pk)) AS c WHERE true' END,
      page, CASE WHEN p_keys IS NULL THEN ' ORDER BY c.pk LIMIT $4' END, ') AS k
        CROSS JOIN LATERAL (
              SELECT c.pk, c.op, c.valid_from_lsn, c.seq, c.valid_from_ts, c.xid, c.read_lsn, c.leaf_id, c.row_data, c.incomplete,
                     c.json_nulls, c.nulls_assumed
                FROM pgtimewarp.row_changes AS c
               WHERE c.relation_id = %1$s AND c.pk = k.pk AND c.valid_from_lsn <= $1
               ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1) AS c');
  ELSE
    versions := concat(
      'SELECT DISTINCT ON (c.pk) c.*
         FROM (SELECT a.pk COLLATE "C" AS pk, a.op, a.valid_from_lsn, a.seq, a.valid_from_ts, a.xid, a.read_lsn, a.leaf_id, a.row_data,
                      a.incomplete, a.json_nulls, a.nulls_assumed,
                      lead(a.valid_from_lsn) OVER (PARTITION BY a.pk COLLATE "C" ORDER BY a.valid_from_lsn, a.seq) AS next_lsn
                 FROM pgtimewarp.archived_changes(%1$s, $6) AS a WHERE a.valid_from_lsn < ($6 ->> ''before'')::pg_lsn) AS c
        WHERE c.valid_from_lsn <= $1', page, CASE WHEN p_keys IS NOT NULL THEN ' AND c.pk = ANY ($5)' END, '
        ORDER BY c.pk, c.valid_from_lsn DESC, c.seq DESC');
  END IF;
  IF EXISTS (SELECT FROM pgtimewarp.relation_events AS e WHERE e.relation_id = p_relation_id AND e.op = 'T' AND e.lsn <= p_lsn) THEN
    truncated := ' OR EXISTS (
                   SELECT FROM pgtimewarp.truncates_after(%1$s, v.valid_from_lsn, v.seq, v.op, v.leaf_id) AS e
                    WHERE e.lsn <= $1)';
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT v.pk, CASE
              WHEN v.op = ''D''' || truncated || ' THEN false
              WHEN v.op <> ''S'' OR v.read_lsn <= $1 THEN true
              WHEN v.next_lsn <= v.read_lsn THEN NULL
              WHEN NOT EXISTS (
                   SELECT FROM pgtimewarp.row_changes AS n
                    WHERE n.relation_id = %1$s AND n.pk = v.pk AND n.valid_from_lsn > $1 AND n.valid_from_lsn <= v.read_lsn)
                   THEN true
            END, v.op, v.valid_from_lsn, v.seq, v.valid_from_ts, v.xid, v.read_lsn, v.leaf_id, v.row_data, v.incomplete,
            v.json_nulls, v.nulls_assumed
       FROM (' || versions || ') AS v
      ORDER BY v.pk LIMIT $4', p_relation_id)
    USING p_lsn, p_after, p_upto, p_limit, p_keys, p_part;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.rows_at(int, pg_lsn, text, text, int, text[], json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.rows_at(int, pg_lsn, text, text, int, text[], json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
