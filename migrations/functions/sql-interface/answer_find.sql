-- Like answer_asof(), for {node, schema, table, instant, from, from_lsn, to, to_lsn, where, limit}. With `instant` both ends
-- are that instant; the default end is the horizon. The row at place 0 holds the frame; each other row holds a version, see
-- find_rows().
CREATE OR REPLACE FUNCTION pgtimewarp.answer_find()
RETURNS TABLE (question pgtimewarp.question[], place bigint, frame json, pk json, valid_from_lsn pg_lsn, valid_from_ts timestamptz,
               valid_from_xid bigint, valid_to_lsn pg_lsn, valid_to_ts timestamptz, valid_to_xid bigint, row_data json,
               incomplete text[], assumes text)
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  schema_name text := q ->> 'schema';
  table_name text := q ->> 'table';
  from_ts timestamptz := q ->> 'from';
  from_lsn pg_lsn := q ->> 'from_lsn';
  to_ts timestamptz := q ->> 'to';
  to_lsn pg_lsn := q ->> 'to_lsn';
  is_instant boolean := (q ->> 'instant')::boolean;
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgtimewarp.refuse_other_table(node, schema_name, table_name, (q ->> 'relid')::oid);
  question := ARRAY[asked];
  IF is_instant AND from_ts IS NULL AND from_lsn IS NULL THEN
    from_ts := (SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = node);
    to_ts := from_ts;
  END IF;
  RETURN QUERY
    SELECT question, 0::bigint, pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts),
           NULL::json, NULL::pg_lsn, NULL::timestamptz, NULL::bigint, NULL::pg_lsn, NULL::timestamptz, NULL::bigint, NULL::json,
           NULL::text[], NULL::text
      FROM pgtimewarp.table_frame(node, schema_name, table_name, from_ts, from_lsn, to_ts, to_lsn) AS f
     UNION ALL
    SELECT question, c.ordinality, NULL, pgtimewarp.json_key(p.pk_columns, c.pk)::json, c.lsn, c.ts, c.xid, c.to_lsn, c.to_ts, c.to_xid,
           c.row_data, c.incomplete, c.assumes
      FROM pgtimewarp.find_rows(node, schema_name, table_name, from_ts, from_lsn, to_ts, to_lsn, is_instant, q -> 'where',
                                NULL, NULL, NULL, NULL, coalesce((q ->> 'limit')::int, 2147483647), 9223372036854775807)
             WITH ORDINALITY AS c
      JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.answer_find() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.answer_find()
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
