-- Whether a relation that the transaction touched still keeps the transaction.
CREATE OR REPLACE FUNCTION pgtimewarp.context_is_kept(p_node_id text, p_space int, p_lsn pg_lsn, p_relation_ids int[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM unnest(coalesce(p_relation_ids, ARRAY(
             SELECT p.relation_id FROM pgtimewarp.relation_periods p
              WHERE p.node_id = p_node_id AND p.lsn_space = p_space))) AS touched (relation_id)
      LEFT JOIN pgtimewarp.relation_retention x ON x.relation_id = touched.relation_id
     WHERE (p_lsn <= x.expired_before_lsn) IS NOT TRUE
       AND to_regclass(format('pgtimewarp.row_changes_r%s', touched.relation_id)) IS NOT NULL) -- it has a history
$$;

REVOKE ALL ON FUNCTION pgtimewarp.context_is_kept(text, int, pg_lsn, int[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.context_is_kept(text, int, pg_lsn, int[])
   TO pgtimewarp_writer, pgtimewarp_admin;
