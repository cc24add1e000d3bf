-- Rights are checked on the table, but history belongs to a name. So the store compares the OID of the table with that of the
-- last run, and another one is refused (TW005). Values that PostgreSQL's JSON functions refuse are returned unchanged. A typed row
-- follows renamed columns. A list of changes names values that are not known.
\echo Use "ALTER EXTENSION pgtimewarp UPDATE" to load this file. \quit

CREATE OR REPLACE FUNCTION pgtimewarp_internal.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '0.4'::text $$;

-- The whole answer, without columns that the caller may not see. It takes one remote query with the question as a literal:
-- only a literal without a type takes the type of the remote column (see answer_asof() of the store). With pgtimewarp.names = now
-- the row has the present names of the columns; the store follows columns by their numbers.
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
  EXECUTE format('SELECT a.answer FROM pgtimewarp_internal.asof_answers a WHERE a.question = %L', ARRAY[(jsonb_build_object(
    'node', who.node, 'schema', who.schema_name, 'table', who.table_name, 'relid', rel::oid::text, 'pk', pk,
    'ts', at_ts, 'lsn', at_lsn::text, 'requested', at_lsn::text)
    || CASE WHEN current_setting('pgtimewarp.names', true) = 'now' THEN pgtimewarp_internal.names_now(rel) ELSE '{}' END)::text])
    INTO answer;
  IF answer IS NULL THEN
    RAISE EXCEPTION 'the store did not answer' USING ERRCODE = 'TW022';
  END IF;
  IF who.sees_all THEN
    RETURN answer;
  END IF;
  seen := pgtimewarp_internal.visible_part(pgtimewarp_internal.member(answer, 'row'), rel, who.caller);
  RETURN (SELECT format('{%s}', string_agg(format('"%s":%s', m.name, CASE m.name WHEN 'row' THEN seen
                   ELSE pgtimewarp_internal.member(answer, m.name) END), ',' ORDER BY m.ordinality))
            FROM json_object_keys(pgtimewarp_internal.stand_in(answer::text, false)::json) WITH ORDINALITY AS m (name, ordinality));
END $$;

-- The present names of the columns. With them the store follows columns that were renamed, also since the last run.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.names_now(rel regclass) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('columns', jsonb_object_agg(a.attnum::text, a.attname))
    FROM pg_attribute a WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
$$;
REVOKE ALL ON FUNCTION pgtimewarp_internal.names_now(regclass) FROM PUBLIC;

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
  missing text;
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
      SELECT string_agg(quote_ident(m), ', ') INTO missing FROM json_array_elements_text(c.frame -> 'incomplete') m;
      IF missing IS NOT NULL THEN
        RAISE WARNING 'values of these rows are not known, and left out: %', missing USING ERRCODE = '01T02';
      END IF;
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

-- PostgreSQL's JSON functions refuse \u0000 and halves of characters. This changes a JSON text so that it has no escapes, only
-- inside its strings: ~ becomes ~0, \\ becomes ~1, \" becomes ~2, and a \ before anything else becomes ~3. It also converts any
-- part of such a text back.
DROP FUNCTION IF EXISTS pgtimewarp_internal.stand_in(text);
CREATE OR REPLACE FUNCTION pgtimewarp_internal.stand_in(p_json text, p_back boolean) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_back
    THEN replace(replace(replace(replace(p_json, '~3', chr(92)), '~2', chr(92) || '"'), '~1', repeat(chr(92), 2)), '~0', '~')
    ELSE replace(replace(replace(replace(p_json, '~', '~0'), repeat(chr(92), 2), '~1'), chr(92) || '"', '~2'), chr(92), '~3') END
$$;

-- {"row": …, "incomplete": [], …} of an answer, each as its JSON text.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.member(p_answer json, p_name text) RETURNS json
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF position(chr(92) || 'u' IN p_answer::text) = 0 THEN
    RETURN p_answer -> p_name;
  END IF;
  RETURN pgtimewarp_internal.stand_in(
    (pgtimewarp_internal.stand_in(p_answer::text, false)::json -> p_name)::text, true);
END $$;

-- The members of {"column": …} as their JSON texts, by the names of the columns.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.members(p_object json)
RETURNS TABLE (place bigint, name text, key_text text, value_text text)
LANGUAGE sql IMMUTABLE AS $$
  SELECT e.ordinality, k.key_text::json #>> '{}', k.key_text, pgtimewarp_internal.stand_in(e.value::text, true)
    FROM json_each(pgtimewarp_internal.stand_in(p_object::text, false)::json) WITH ORDINALITY e
   CROSS JOIN LATERAL (SELECT pgtimewarp_internal.stand_in('"' || e.key || '"', true) AS key_text) k
$$;

-- The columns of {"column": …} that the caller may see. Hidden columns are an error, unless pgtimewarp.columns is visible.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.visible_part(p_object json, rel regclass, caller name) RETURNS json
LANGUAGE plpgsql STABLE AS $$
DECLARE
  hidden text;
  visible text;
BEGIN
  IF json_typeof(p_object) IS DISTINCT FROM 'object' THEN
    RETURN p_object;
  END IF;
  SELECT string_agg(quote_ident(e.name), ', ' ORDER BY e.place) FILTER (WHERE NOT may),
         string_agg(e.key_text || ':' || e.value_text, ',' ORDER BY e.place) FILTER (WHERE may)
    INTO hidden, visible
    FROM pgtimewarp_internal.members(p_object) e
    -- a column that is gone has no rights any more: only those of the whole table speak for it
    LEFT JOIN pg_attribute a ON a.attrelid = rel AND a.attname = e.name AND a.attnum > 0 AND NOT a.attisdropped
   CROSS JOIN LATERAL (SELECT coalesce(has_column_privilege(caller, rel, a.attnum, 'SELECT'), false) AS may) m;
  IF hidden IS NOT NULL AND current_setting('pgtimewarp.columns', true) IS DISTINCT FROM 'visible' THEN
    RAISE EXCEPTION 'permission denied for columns of the history of table %: %', rel, hidden
      USING ERRCODE = 'insufficient_privilege', HINT = 'SET pgtimewarp.columns = visible; leaves them out.';
  END IF;
  RETURN '{' || coalesce(visible, '') || '}';
END $$;

-- The row as a row of the present table: it follows renamed columns, and columns added since then keep the value of `base`. If it
-- is uncertain which column a value belongs to, it is an error. It runs as its caller, because making values of the table's types
-- may run code of the table's owner.
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_asof_row(
  base anyelement, pk jsonb, at timestamptz, node_id text DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE COST 10000 ROWS 1 SET search_path = pg_catalog, pg_temp SET pgtimewarp.names = 'now' AS $$
DECLARE
  rel regclass := (SELECT t.typrelid FROM pg_type t WHERE t.oid = pg_typeof(base) AND t.typrelid <> 0);
  found_row json;
  plain json;   -- without columns of type json that hold escapes: those are taken as they are
  columns text;
  problem text;
BEGIN
  IF rel IS NULL THEN
    RAISE EXCEPTION '% is not the row type of a table', pg_typeof(base)
      USING ERRCODE = 'wrong_object_type', HINT = 'Write NULL::orders for the table orders.';
  END IF;
  found_row := pgtimewarp_internal.row_of(@extschema@.pgtimewarp_asof_answer_pk(rel, pk, at, node_id), true);
  IF found_row IS NULL THEN
    RETURN;
  END IF;
  BEGIN
    IF position(chr(92) || 'u' IN found_row::text) = 0 THEN
      base := json_populate_record(base, found_row);
    ELSE
      WITH members AS (
        SELECT m.name, m.place, m.key_text, m.value_text, position(chr(92) || 'u' IN m.value_text) > 0 AND EXISTS (
                 SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                  WHERE a.attrelid = rel AND a.attname = m.name AND a.attnum > 0 AND NOT a.attisdropped
                    AND 'json'::regtype IN (t.oid, t.typbasetype)) AS is_raw
          FROM pgtimewarp_internal.members(found_row) m)
      SELECT (SELECT '{' || coalesce(string_agg(m.key_text || ':' || m.value_text, ',' ORDER BY m.place), '') || '}'
                FROM members m WHERE NOT m.is_raw),
             (SELECT string_agg(CASE WHEN m.is_raw THEN format('%L::%s', m.value_text, format_type(a.atttypid, a.atttypmod))
                                     ELSE format('($1).%I', a.attname) END, ', ' ORDER BY a.attnum)
                FROM pg_attribute a LEFT JOIN members m ON m.name = a.attname
               WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped)
        INTO plain, columns;
      base := json_populate_record(base, plain);
      EXECUTE 'SELECT ' || columns INTO base USING base;
    END IF;
    RETURN NEXT base;
  EXCEPTION WHEN data_exception OR integrity_constraint_violation OR datatype_mismatch OR cannot_coerce THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
    RAISE EXCEPTION 'the row of that time does not fit table % as it is now: %', rel, problem
      USING ERRCODE = 'TW023', HINT = 'pgtimewarp_asof_pk() gives it as JSON.';
  END;
END $$;
