-- Like answer_asof(), for the changes of a table: {node, schema, table, from, from_lsn, to, to_lsn, net, filter, limit}; or for
-- the rows that a transaction touched: {node, transaction: LSN, only}, where `only` lists the tables that the caller may see. A
-- row without an op holds a frame; each other row holds one change, in order. If an LSN exists in several LSN spaces, there are
-- several transactions, the newest first, each after its frame.
CREATE OR REPLACE FUNCTION pgtimewarp.answer_changes()
RETURNS TABLE (question pgtimewarp.question[], place bigint, frame json, schema_name text, table_name text, pk json, op text,
               lsn pg_lsn, ts timestamptz, xid bigint, context json, before json, after json, changed json, incomplete text[],
               assumes text)
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off AS $$
#variable_conflict use_column
DECLARE
  asked text := nullif(current_setting('pgtimewarp.question', true), '');
  q jsonb := asked;
  node text := q ->> 'node';
  from_ts timestamptz := q ->> 'from';
  from_lsn pg_lsn := q ->> 'from_lsn';
  to_ts timestamptz := q ->> 'to';
  to_lsn pg_lsn := q ->> 'to_lsn';
  most int := coalesce((q ->> 'limit')::int, 2147483647);
  t record;
BEGIN
  IF asked IS NULL THEN
    RETURN;
  END IF;
  question := ARRAY[asked];
  place := 0;
  IF q ? 'transaction' THEN
    FOR t IN
      SELECT n.lsn_space, n.lsn, n.ts
        FROM pgtimewarp.node_transactions(
               node, NULL, NULL, NULL, NULL, jsonb_strip_nulls(jsonb_build_object('lsn', q -> 'transaction', 'only', q -> 'only')),
               NULL, NULL, NULL, 1000) AS n
    LOOP
      frame := (SELECT pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts)
                  FROM pgtimewarp.node_frame(node, NULL, NULL, t.ts, NULL, t.ts, NULL, q -> 'only') AS f);
      RETURN NEXT;
      RETURN QUERY
        SELECT question, place + c.ordinality, NULL::json, p.schema_name, p.table_name, pgtimewarp.json_key(p.pk_columns, c.pk)::json,
               c.op, c.lsn, c.ts, c.xid, c.context, c.before, c.after, c.changed, c.incomplete, c.assumes
          FROM pgtimewarp.transaction_changes(
                 node, t.lsn_space, t.lsn, NULL, NULL, NULL, 2147483647, 9223372036854775807, q -> 'only') WITH ORDINALITY AS c
          JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id;
      place := place + 4294967296;
    END LOOP;
    IF place = 0 THEN
      frame := (SELECT pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts)
                  FROM pgtimewarp.node_frame(node, NULL, NULL, NULL, (q ->> 'transaction')::pg_lsn, NULL, (q ->> 'transaction')::pg_lsn,
                                             q -> 'only') AS f);
      RETURN NEXT;
    END IF;
    RETURN;
  END IF;
  PERFORM pgtimewarp.refuse_other_table(node, q ->> 'schema', q ->> 'table', (q ->> 'relid')::oid);
  RETURN QUERY
    SELECT question, 0::bigint, pgtimewarp.json_frame(f.unknown, f.final, f.horizon_ts),
           NULL::text, NULL::text, NULL::json, NULL::text, NULL::pg_lsn, NULL::timestamptz, NULL::bigint, NULL::json, NULL::json,
           NULL::json, NULL::json, NULL::text[], NULL::text
      FROM pgtimewarp.table_frame(node, q ->> 'schema', q ->> 'table', from_ts, from_lsn, to_ts, to_lsn) AS f;
  IF (q ->> 'net')::boolean THEN
    RETURN QUERY
      SELECT question, c.ordinality, NULL::json, q ->> 'schema', q ->> 'table', pgtimewarp.json_key(p.pk_columns, c.pk)::json,
             c.op, c.lsn, c.ts, c.xid, c.context, c.before, c.after, c.changed, c.incomplete, c.assumes
        FROM pgtimewarp.net_changes(node, q ->> 'schema', q ->> 'table', from_ts, from_lsn, to_ts, to_lsn, q -> 'filter', NULL,
                                    most, 9223372036854775807) WITH ORDINALITY AS c
        JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id;
  ELSE
    RETURN QUERY
      SELECT question, c.ordinality, NULL::json, q ->> 'schema', q ->> 'table', pgtimewarp.json_key(p.pk_columns, c.pk)::json,
             c.op, c.lsn, c.ts, c.xid, c.context, c.before, c.after, c.changed, c.incomplete, c.assumes
        FROM pgtimewarp.table_changes(node, q ->> 'schema', q ->> 'table', from_ts, from_lsn, to_ts, to_lsn, q -> 'filter',
                                      NULL, NULL, NULL, NULL, most, 9223372036854775807) WITH ORDINALITY AS c
        JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id;
  END IF;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.answer_changes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.answer_changes()
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
