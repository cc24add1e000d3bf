-- Checks contexts that cutoffs have passed, up to p_rows of them, and deletes those that no relation keeps. Returns how many it
-- checked: fewer than p_rows when nothing is left to do.
CREATE OR REPLACE FUNCTION pgtimewarp.retention_cut_contexts(p_node_id text, p_rows int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r record;
  seen int;
  last_lsn pg_lsn;
  last_seq int;
  total int := 0;
BEGIN
  FOR r IN
    SELECT c.relation_id, c.lsn_space, c.from_lsn, c.from_seq, c.upto_lsn
      FROM (SELECT x.relation_id, p.lsn_space, coalesce(x.contexts_upto_lsn, '0/0') AS from_lsn,
                   coalesce(x.contexts_upto_seq, 2147483647) AS from_seq,
                   CASE WHEN x.is_dropped THEN 'FFFFFFFF/FFFFFFFF' ELSE x.expired_before_lsn END AS upto_lsn
              FROM pgtimewarp.relation_retention x JOIN pgtimewarp.relation_periods p ON p.relation_id = x.relation_id
             WHERE p.node_id = p_node_id) c
     WHERE c.upto_lsn > c.from_lsn OR c.upto_lsn = c.from_lsn AND c.from_seq < 2147483647
     ORDER BY c.relation_id
  LOOP
    WITH passed AS (
      SELECT t.lsn, t.seq, t.relation_ids FROM pgtimewarp.transaction_contexts t
       WHERE t.node_id = p_node_id AND t.lsn_space = r.lsn_space AND t.lsn <= r.upto_lsn
         AND t.lsn >= r.from_lsn AND (t.lsn, t.seq) > (r.from_lsn, r.from_seq)
         AND (t.relation_ids IS NULL OR r.relation_id = ANY (t.relation_ids))
       ORDER BY t.lsn, t.seq LIMIT p_rows - total),
    forgotten AS (
      DELETE FROM pgtimewarp.transaction_contexts t
       USING passed
       WHERE t.node_id = p_node_id AND t.lsn_space = r.lsn_space AND t.lsn = passed.lsn AND t.seq = passed.seq
         AND NOT pgtimewarp.context_is_kept(p_node_id, r.lsn_space, passed.lsn, passed.relation_ids))
    SELECT count(*), max(passed.lsn), (array_agg(passed.seq ORDER BY passed.lsn DESC, passed.seq DESC))[1]
      INTO seen, last_lsn, last_seq FROM passed;
    total := total + seen;
    UPDATE pgtimewarp.relation_retention x
       SET contexts_upto_lsn = CASE WHEN total < p_rows THEN r.upto_lsn ELSE last_lsn END,
           contexts_upto_seq = CASE WHEN total = p_rows THEN last_seq END
     WHERE x.relation_id = r.relation_id;
    EXIT WHEN total = p_rows;
  END LOOP;
  RETURN total;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.retention_cut_contexts(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.retention_cut_contexts(text, int)
   TO pgtimewarp_writer, pgtimewarp_admin;
