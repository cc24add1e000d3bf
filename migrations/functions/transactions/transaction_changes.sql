-- Every row that a commit touched, before and after: table by table, in each in the order of the transaction. See period_changes().
-- Tables in whose history the commit has expired are left out. p_only: only these tables, see is_one_of().
-- p_options: those of period_changes(): bare, chunk, rewritten.
-- Page by page: pass relation_id, seq and pk of the last row received. p_archived: the changes that are in the archive, see archived_part().
CREATE OR REPLACE FUNCTION pgtimewarp.transaction_changes(
  p_node_id text, p_space int, p_lsn pg_lsn, p_after_relation_id int, p_after_seq int, p_after_pk text, p_limit int, p_max_bytes bigint,
  p_only jsonb DEFAULT NULL, p_options jsonb DEFAULT NULL, p_archived json DEFAULT NULL)
RETURNS SETOF pgtimewarp.history_change
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  place record;
  after pgtimewarp.history_change;
  change pgtimewarp.history_change;
  given int := 0;
  bytes bigint := 0;
  part json;
BEGIN
  FOR place IN
    SELECT p AS period, CASE WHEN p.tracked_to_lsn IS NULL THEN c.applied_lsn ELSE p.tracked_to_lsn END AS through
      FROM pgtimewarp.relation_periods AS p JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = p.node_id
      LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
     WHERE p.node_id = p_node_id AND p.lsn_space = p_space AND p.tracked_from_lsn < p_lsn
       AND (p.tracked_to_lsn IS NULL OR p.tracked_to_lsn >= p_lsn)
       AND (x.expired_before_lsn < p_lsn) IS NOT FALSE
       AND pgtimewarp.is_one_of(p.schema_name, p.table_name, p_only)
       AND (p_after_relation_id IS NULL OR p.relation_id >= p_after_relation_id)
     ORDER BY p.relation_id
  LOOP
    part := pgtimewarp.archived_part(
      p_archived, place.period, pgtimewarp.archived_before(place.period, p_lsn - 1), p_lsn - 1, p_lsn, 'changes');
    after := CASE WHEN (place.period).relation_id = p_after_relation_id THEN
      ROW(p_after_relation_id, p_lsn, p_after_seq, p_after_pk, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::pgtimewarp.history_change END;
    FOR change IN
      SELECT c.* FROM pgtimewarp.period_changes(
        place.period, p_lsn - 1, p_lsn, place.through, p_options, after, p_limit - given, p_max_bytes - bytes, part) AS c
       WHERE c.xid IS NOT NULL -- findings of a repair at the same position belong to no transaction
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

REVOKE ALL ON FUNCTION pgtimewarp.transaction_changes(text, int, pg_lsn, int, int, text, int, bigint, jsonb, jsonb, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.transaction_changes(text, int, pg_lsn, int, int, text, int, bigint, jsonb, jsonb, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
