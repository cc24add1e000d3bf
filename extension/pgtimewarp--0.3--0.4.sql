-- The table that is asked about has to be the one whose history is kept under its name, for its rights decide: the store
-- compares its OID. TW005: it is another one.
\echo Use "ALTER EXTENSION pgtimewarp UPDATE" to load this file. \quit

CREATE OR REPLACE FUNCTION pgtimewarp_internal.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '0.4'::text $$;

-- The whole answer, as far as the caller may see it. One remote query, with the question as a literal: only a literal
-- without a type takes that of the remote column (see the store's migration 0013).
CREATE OR REPLACE FUNCTION pgtimewarp_internal.ask_asof(rel regclass, pk jsonb, at_ts timestamptz, at_lsn pg_lsn, node_id text)
RETURNS json LANGUAGE plpgsql STABLE AS $$
DECLARE
  who record;
  answer json;
  seen json;
BEGIN
  IF pk IS NULL OR at_ts IS NULL AND at_lsn IS NULL THEN
    RAISE EXCEPTION 'key and instant must not be NULL' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  who := pgtimewarp_internal.admit(rel, node_id);
  EXECUTE format('SELECT a.answer FROM pgtimewarp_internal.asof_answers a WHERE a.question = %L', ARRAY[jsonb_build_object(
    'node', who.node, 'schema', who.schema_name, 'table', who.table_name, 'relid', rel::oid::text, 'pk', pk,
    'ts', at_ts, 'lsn', at_lsn::text, 'requested', at_lsn::text)::text]) INTO answer;
  IF answer IS NULL THEN
    RAISE EXCEPTION 'the store did not answer' USING ERRCODE = 'TW022';
  END IF;
  IF who.sees_all THEN
    RETURN answer;
  END IF;
  seen := pgtimewarp_internal.visible_part(pgtimewarp_internal.member(answer, 'row'), rel, who.caller);
  RETURN (SELECT format('{%s}', string_agg(format('"%s":%s', m.name, CASE m.name WHEN 'row' THEN seen
                   ELSE pgtimewarp_internal.member(answer, m.name) END), ',' ORDER BY m.ordinality))
            FROM json_object_keys(replace(answer::text, '\u0000', '\u0001')::json) WITH ORDINALITY AS m (name, ordinality));
END $$;

-- The changes of a row in (from_ts, to_ts], in order; NULL: from the start of tracking, to the horizon.
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_diff_pk(
  rel regclass, pk jsonb, from_ts timestamptz, to_ts timestamptz, node_id text DEFAULT NULL)
RETURNS TABLE (op text, valid_from_ts timestamptz, valid_from_lsn pg_lsn, xid bigint, row_data json, changed json, context json)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 ROWS 20 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  who record;
  c record;
  hole record;
BEGIN
  IF pk IS NULL THEN
    RAISE EXCEPTION 'the key must not be NULL' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  who := pgtimewarp_internal.admit(rel, node_id);
  FOR c IN EXECUTE format(
    'SELECT d.frame, d.op, d.valid_from_ts, d.valid_from_lsn, d.xid, d.row_data, d.changed, d.context
       FROM pgtimewarp_internal.diff_answers d WHERE d.question = %L ORDER BY d.place',
    ARRAY[jsonb_build_object('node', who.node, 'schema', who.schema_name, 'table', who.table_name,
                             'relid', rel::oid::text, 'pk', pk, 'from', from_ts, 'to', to_ts)::text])
  LOOP
    IF c.frame IS NOT NULL THEN
      FOR hole IN SELECT h ->> 'from' AS lower, h ->> 'to' AS upper, h ->> 'reason' AS reason
                    FROM json_array_elements(c.frame -> 'unknown') h
      LOOP
        RAISE WARNING 'changes between % and % may be missing: %',
          coalesce(hole.lower, 'the beginning'), coalesce(hole.upper, 'now'), hole.reason USING ERRCODE = '01T03';
      END LOOP;
      IF NOT (c.frame ->> 'final')::boolean THEN
        RAISE WARNING 'the list is not final: the store is complete up to %', coalesce(c.frame ->> 'horizon', 'no instant yet')
          USING ERRCODE = '01T01', HINT = 'Ask again after the next run, or up to pgtimewarp_horizon().';
      END IF;
      CONTINUE;
    END IF;
    op := c.op; valid_from_ts := c.valid_from_ts; valid_from_lsn := c.valid_from_lsn; xid := c.xid; context := c.context;
    row_data := CASE WHEN who.sees_all THEN c.row_data
                     ELSE pgtimewarp_internal.visible_part(c.row_data, rel, who.caller) END;
    changed := CASE WHEN who.sees_all THEN c.changed
                    ELSE pgtimewarp_internal.visible_part(c.changed, rel, who.caller) END;
    RETURN NEXT;
  END LOOP;
END $$;
