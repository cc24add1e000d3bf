-- Like answer_asof(), for {node, from, from_lsn, to, to_lsn, filter, limit}. `filter` is that of node_transactions(), with the tables
-- that the caller may see. The row at place 0 holds the frame; each other row holds a transaction, newest first.
CREATE OR REPLACE FUNCTION pgtimewarp.answer_transactions()
RETURNS TABLE (question pgtimewarp.question[], place bigint, frame json, lsn pg_lsn, ts timestamptz, xid bigint, context json,
               tables json, rows bigint)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  filter jsonb := q -> 'filter';
  from_ts timestamptz := q ->> 'from';
  from_lsn pg_lsn := q ->> 'from_lsn';
  to_ts timestamptz := q ->> 'to';
  to_lsn pg_lsn := q ->> 'to_lsn';
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  question := ARRAY[asked];
  IF filter ? 'table' THEN
    PERFORM pgtimewarp.refuse_other_table(node, filter ->> 'schema', filter ->> 'table', (q ->> 'relid')::oid);
  END IF;
  RETURN QUERY
    SELECT question, 0::bigint, pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts),
           NULL::pg_lsn, NULL::timestamptz, NULL::bigint, NULL::json, NULL::json, NULL::bigint
      FROM pgtimewarp.node_frame(
             node, filter ->> 'schema', filter ->> 'table', from_ts, from_lsn, to_ts, to_lsn, filter -> 'only') AS f
     UNION ALL
    SELECT question, t.ordinality, NULL, t.lsn, t.ts, t.xid, t.context, t.tables, t.rows
      FROM pgtimewarp.node_transactions(
             node, from_ts, from_lsn, to_ts, to_lsn, filter, NULL, NULL, NULL, coalesce((q ->> 'limit')::int, 2147483647))
             WITH ORDINALITY AS t;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.answer_transactions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.answer_transactions()
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
