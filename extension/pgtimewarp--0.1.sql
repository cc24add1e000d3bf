-- Time travel in SQL on a source database. The functions ask the store, and the store decides every answer.
-- Errors: the store raises TW001 to TW004 (table, key, node, interval). This script raises:
--   TW010 before tracking · TW011 baseline pending · TW012 in a gap · TW013 expired · TW014 erased
--   TW015 a value of the row is not known · TW020 store unreachable · TW021 not connected · TW022 versions of store and
--   extension do not match · TW023 the row does not fit the table as it is now
-- Warnings: 01T01 not final · 01T02 a value of the row is not known · 01T03 changes may be missing
\echo Use "CREATE EXTENSION pgtimewarp" to load this file. \quit

-- Only the functions of the extension may use this schema, except what is granted below.
CREATE SCHEMA pgtimewarp_internal;
GRANT USAGE ON SCHEMA pgtimewarp_internal TO PUBLIC;

CREATE FUNCTION pgtimewarp_internal.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '0.1'::text $$;

-- Resolves the table and checks that the caller may see its history. The caller is the role that was set last. current_user
-- would be the owner, because the functions that call this run as their owner.
CREATE FUNCTION pgtimewarp_internal.admit(
  rel regclass, node_id text, OUT node text, OUT schema_name text, OUT table_name text, OUT caller name, OUT sees_all boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
  t record;
BEGIN
  IF rel IS NULL THEN
    RAISE EXCEPTION 'no table is named' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  caller := current_setting('role');
  IF caller = 'none' THEN
    caller := session_user;
  END IF;
  SELECT n.nspname, c.relname, has_table_privilege(r.oid, c.oid, 'SELECT') AS sees_all,
         has_schema_privilege(r.oid, n.oid, 'USAGE') AS sees_schema,
         c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls
           OR NOT c.relforcerowsecurity AND pg_has_role(r.oid, c.relowner, 'USAGE')) AS has_policies
    INTO t
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = caller
   WHERE c.oid = rel;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no table with OID %, or no role %', rel::oid, caller USING ERRCODE = 'undefined_table';
  END IF;
  schema_name := t.nspname; table_name := t.relname; sees_all := t.sees_all;
  IF NOT t.sees_schema THEN
    RAISE EXCEPTION 'permission denied for schema %', schema_name USING ERRCODE = 'insufficient_privilege';
  ELSIF t.has_policies THEN
    RAISE EXCEPTION 'row-level security of table % applies to role %, and cannot be applied to its history', table_name, caller
      USING ERRCODE = 'insufficient_privilege', HINT = 'Ask as the owner of the table or as a role with BYPASSRLS.';
  ELSIF NOT sees_all AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = rel AND i.indisprimary
                                        AND (SELECT bool_and(has_column_privilege(caller, i.indrelid, k, 'SELECT'))
                                               FROM unnest(i.indkey) k)) THEN
    RAISE EXCEPTION 'permission denied for table %', table_name
      USING ERRCODE = 'insufficient_privilege', HINT = 'SELECT is needed on the table, or on its key and every column asked for.';
  END IF;
  node := pgtimewarp_internal.node(node_id);
END $$;

-- The node; without a name, the one given to pgtimewarp_connect(), which is the application_name of the server.
CREATE FUNCTION pgtimewarp_internal.node(node_id text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  default_node text;
BEGIN
  SELECT split_part(o, '/', 2) INTO default_node
    FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver, unnest(s.srvoptions) o
   WHERE f.ftrelid = to_regclass('pgtimewarp_internal.asof_answers') AND o LIKE 'application\_name=%';
  IF default_node IS NULL THEN
    RAISE EXCEPTION 'this database is not connected to a store'
      USING ERRCODE = 'TW021', HINT = 'Run `pgtimewarp extension connect`, or call pgtimewarp_connect().';
  END IF;
  PERFORM pgtimewarp_internal.greet();
  RETURN coalesce(node_id, default_node);
END $$;

-- The first question of a session checks that the store can be reached and has the same version of the interface. Later
-- questions skip the check: catching errors needs a savepoint, which costs two more round trips to the store.
CREATE FUNCTION pgtimewarp_internal.greet() RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
  spoken int;
BEGIN
  IF current_setting('pgtimewarp.greeted', true) = 'yes' THEN
    RETURN;
  END IF;
  BEGIN
    SELECT i.version INTO spoken FROM pgtimewarp_internal.sql_interface i;
  EXCEPTION
    WHEN sqlclient_unable_to_establish_sqlconnection OR connection_exception OR connection_failure THEN
      RAISE EXCEPTION 'the store cannot be reached: %', split_part(SQLERRM, E'\n', 1)
        USING ERRCODE = 'TW020', HINT = 'Check the store and the options of the server pgtimewarp, or connect again.';
    WHEN undefined_table OR invalid_schema_name OR insufficient_privilege THEN
      RAISE EXCEPTION 'the store cannot answer SQL functions: %', split_part(SQLERRM, E'\n', 1)
        USING ERRCODE = 'TW022', HINT = 'Run `pgtimewarp migrate`, and grant pgtimewarp_reader to the role that reads.';
  END;
  IF spoken IS DISTINCT FROM 1 THEN
    RAISE EXCEPTION 'the store speaks version % of the SQL interface, this extension version 1', coalesce(spoken, 0)
      USING ERRCODE = 'TW022', HINT = 'Run `pgtimewarp migrate`, then `pgtimewarp extension upgrade`.';
  END IF;
  PERFORM set_config('pgtimewarp.greeted', 'yes', false);
END $$;

-- The columns of {"column": …} that the caller may see. Hidden columns are an error, unless pgtimewarp.columns is visible.
CREATE FUNCTION pgtimewarp_internal.visible_part(p_object json, rel regclass, caller name) RETURNS json
LANGUAGE plpgsql STABLE AS $$
DECLARE
  stand_in text := pgtimewarp_internal.stand_in(p_object::text);
  hidden text;
  visible text;
BEGIN
  IF json_typeof(p_object) IS DISTINCT FROM 'object' THEN
    RETURN p_object;
  END IF;
  SELECT string_agg(quote_ident(e.key), ', ' ORDER BY e.ordinality) FILTER (WHERE NOT may),
         string_agg(to_json(e.key) || ':' || e.value, ',' ORDER BY e.ordinality) FILTER (WHERE may)
    INTO hidden, visible
    FROM json_each(replace(p_object::text, '\u0000', stand_in)::json) WITH ORDINALITY e
    -- a column that is gone has no rights any more: only those of the whole table speak for it
    LEFT JOIN pg_attribute a ON a.attrelid = rel AND a.attname = e.key AND a.attnum > 0 AND NOT a.attisdropped
   CROSS JOIN LATERAL (SELECT coalesce(has_column_privilege(caller, rel, a.attnum, 'SELECT'), false) AS may) m;
  IF hidden IS NOT NULL AND current_setting('pgtimewarp.columns', true) IS DISTINCT FROM 'visible' THEN
    RAISE EXCEPTION 'permission denied for columns of the history of table %: %', rel, hidden
      USING ERRCODE = 'insufficient_privilege', HINT = 'SET pgtimewarp.columns = visible; leaves them out.';
  END IF;
  RETURN replace('{' || coalesce(visible, '') || '}', stand_in, '\u0000');
END $$;

-- An escape that the JSON text does not contain. It replaces \u0000, which PostgreSQL's JSON functions refuse. It has the
-- same length, so that offsets stay the same.
CREATE FUNCTION pgtimewarp_internal.stand_in(p_json text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce((SELECT e FROM (SELECT '\u00' || lpad(to_hex(i), 2, '0') AS e FROM generate_series(1, 31) i) escapes
                    WHERE position('\u0000' IN p_json) > 0 AND position(e IN lower(p_json)) = 0 LIMIT 1), '\u0000')
$$;

-- {"row": …, "incomplete": [], …} of an answer, each as its JSON text.
CREATE FUNCTION pgtimewarp_internal.member(p_answer json, p_name text) RETURNS json
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  stand_in text;
BEGIN
  IF position('\u0000' IN p_answer::text) = 0 THEN
    RETURN p_answer -> p_name;
  END IF;
  stand_in := pgtimewarp_internal.stand_in(p_answer::text);
  RETURN replace((replace(p_answer::text, '\u0000', stand_in)::json -> p_name)::text, stand_in, '\u0000');
END $$;

-- The whole answer, without columns that the caller may not see. It takes one remote query with the question as a literal:
-- only a literal without a type takes the type of the remote column (see answer_asof() of the store).
CREATE FUNCTION pgtimewarp_internal.ask_asof(rel regclass, pk jsonb, at_ts timestamptz, at_lsn pg_lsn, node_id text)
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
    'node', who.node, 'schema', who.schema_name, 'table', who.table_name, 'pk', pk,
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

-- The row of an answer; NULL if it was absent. An unknown answer is an error. So is an unknown value in a typed row, because
-- it would look like NULL. The function reads no tables, so it needs no rights.
CREATE FUNCTION pgtimewarp_internal.row_of(p_answer json, p_typed boolean) RETURNS json
LANGUAGE plpgsql STABLE AS $$
DECLARE
  status text := pgtimewarp_internal.member(p_answer, 'status') #>> '{}';
  reason text;
  horizon text;
  missing text;
BEGIN
  IF status = 'unknown' THEN
    reason := pgtimewarp_internal.member(p_answer, 'reason') #>> '{}';
    RAISE EXCEPTION '%', CASE reason
        WHEN 'before_tracking' THEN 'what the row was is unknown: the instant lies before the history of this key'
        WHEN 'baseline_pending' THEN 'what the row was is not known yet: the rows of the start of tracking are being read'
        WHEN 'in_gap' THEN 'what the row was is unknown: changes may have been lost at that time'
        WHEN 'expired' THEN 'the history of that time has expired'
        WHEN 'erased' THEN 'the history of this key has been erased'
        ELSE 'what the row was is unknown: ' || reason END
      USING ERRCODE = CASE reason
        WHEN 'before_tracking' THEN 'TW010' WHEN 'baseline_pending' THEN 'TW011' WHEN 'in_gap' THEN 'TW012'
        WHEN 'expired' THEN 'TW013' WHEN 'erased' THEN 'TW014' ELSE 'TW010' END,
      HINT = CASE reason
        WHEN 'before_tracking' THEN 'Ask about a later instant; `pgtimewarp status` says when tracking began.'
        WHEN 'baseline_pending' THEN 'Ask again after the next runs.'
        WHEN 'in_gap' THEN 'Ask about an instant outside of the gap; `pgtimewarp events` says what happened.'
        WHEN 'expired' THEN 'Ask about an instant within the retention of the table.'
        ELSE 'Ask about another key or instant.' END;
  END IF;
  IF pgtimewarp_internal.member(p_answer, 'final')::text = 'false' THEN
    horizon := pgtimewarp_internal.member(p_answer, 'horizon') ->> 'ts';
    RAISE WARNING 'the answer is not final: the store is complete up to %', coalesce(horizon, 'no instant yet')
      USING ERRCODE = '01T01', HINT = 'Ask again after the next run, or about an instant up to pgtimewarp_horizon().';
  END IF;
  IF status = 'absent' THEN
    RETURN NULL;
  END IF;
  SELECT string_agg(quote_ident(c), ', ') INTO missing
    FROM json_array_elements_text(pgtimewarp_internal.member(p_answer, 'incomplete')) c;
  IF missing IS NOT NULL AND p_typed THEN
    RAISE EXCEPTION 'values of this row are not known: %', missing
      USING ERRCODE = 'TW015', HINT = 'pgtimewarp_asof_pk() gives the row without them.';
  ELSIF missing IS NOT NULL THEN
    RAISE WARNING 'values of this row are not known, and left out: %', missing USING ERRCODE = '01T02';
  END IF;
  RETURN pgtimewarp_internal.member(p_answer, 'row');
END $$;

-- The row at an instant; NULL if it was absent.
CREATE FUNCTION @extschema@.pgtimewarp_asof_pk(rel regclass, pk jsonb, at timestamptz, node_id text DEFAULT NULL) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN pgtimewarp_internal.row_of(pgtimewarp_internal.ask_asof(rel, pk, at, NULL, node_id), false);
END $$;

-- The row as of a position in the WAL of the source.
CREATE FUNCTION @extschema@.pgtimewarp_asof_lsn_pk(rel regclass, pk jsonb, at pg_lsn, node_id text DEFAULT NULL) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN pgtimewarp_internal.row_of(pgtimewarp_internal.ask_asof(rel, pk, NULL, at, node_id), false);
END $$;

-- The whole answer. An unknown answer raises no error or warning.
CREATE FUNCTION @extschema@.pgtimewarp_asof_answer_pk(rel regclass, pk jsonb, at timestamptz, node_id text DEFAULT NULL) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN pgtimewarp_internal.ask_asof(rel, pk, at, NULL, node_id);
END $$;

-- The row as a row of the present table; columns added since then keep the value of `base`. It runs as its caller, because
-- making values of the table's types may run code of the table's owner.
CREATE FUNCTION @extschema@.pgtimewarp_asof_row(base anyelement, pk jsonb, at timestamptz, node_id text DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE COST 10000 ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rel regclass := (SELECT t.typrelid FROM pg_type t WHERE t.oid = pg_typeof(base) AND t.typrelid <> 0);
  found_row json;
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
    RETURN NEXT json_populate_record(base, found_row);
  EXCEPTION WHEN data_exception OR integrity_constraint_violation OR datatype_mismatch OR cannot_coerce THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
    RAISE EXCEPTION 'the row of that time does not fit table % as it is now: %', rel, problem
      USING ERRCODE = 'TW023', HINT = 'pgtimewarp_asof_pk() gives it as JSON.';
  END;
END $$;

-- The changes of a row in (from_ts, to_ts], in order; NULL: from the start of tracking, to the horizon.
CREATE FUNCTION @extschema@.pgtimewarp_diff_pk(
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
    ARRAY[jsonb_build_object('node', who.node, 'schema', who.schema_name, 'table', who.table_name, 'pk', pk,
                             'from', from_ts, 'to', to_ts)::text])
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

-- Options of the server: other hosts are verified, and connecting has a short time-out.
CREATE FUNCTION pgtimewarp_internal.server_options(
  store_host text, store_port int, store_database text, node_id text, ssl_mode text, ssl_root_cert text)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT string_agg(format('%s %L', name, value), ', ')
    FROM (VALUES
      ('host', store_host), ('port', store_port::text), ('dbname', store_database),
      ('sslmode', coalesce(ssl_mode, CASE WHEN store_host ~ '^(/.*|localhost|::1|127(\.\d{1,3}){3})$' THEN 'prefer'
                                         ELSE 'verify-full' END)),
      ('sslrootcert', ssl_root_cert), ('application_name', 'pgtimewarp/' || node_id),
      ('connect_timeout', '5'), ('keepalives_idle', '10'), ('keepalives_interval', '5'), ('keepalives_count', '3'),
      ('fetch_size', '1000'), ('updatable', 'false')) AS options (name, value)
   WHERE value IS NOT NULL
$$;

-- Drops what pgtimewarp_connect() created. It fails if somebody else has created foreign tables on the server.
CREATE FUNCTION @extschema@.pgtimewarp_disconnect() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DROP FOREIGN TABLE IF EXISTS pgtimewarp_internal.asof_answers, pgtimewarp_internal.diff_answers,
                               pgtimewarp_internal.node_status, pgtimewarp_internal.sql_interface;
  IF EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'pgtimewarp') THEN
    DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER pgtimewarp;
    DROP SERVER pgtimewarp;
  END IF;
  PERFORM set_config('pgtimewarp.greeted', '', false);
END $$;

-- Creates or replaces the connection to the store, and tests it. `reader` is a login of the store with the role
-- pgtimewarp_reader. The server keeps the password in pg_user_mapping, which only superusers and the mapping's owner can
-- read. A password in the text of a statement can appear in logs; `pgtimewarp extension connect` avoids that.
CREATE FUNCTION @extschema@.pgtimewarp_connect(
  store_host text, store_port int, store_database text, reader text, password text, node_id text DEFAULT 'default',
  ssl_root_cert text DEFAULT NULL, ssl_mode text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF node_id !~ '^[a-z0-9_]{1,40}$' THEN
    RAISE EXCEPTION 'not the name of a node: %', node_id USING ERRCODE = 'invalid_parameter_value';
  ELSIF current_setting('server_version_num')::int < 150000 THEN
    RAISE EXCEPTION 'the functions need PostgreSQL 15 on the source'
      USING ERRCODE = 'feature_not_supported', HINT = 'Older servers send literals with a type of their own choice.';
  END IF;
  PERFORM @extschema@.pgtimewarp_disconnect();
  EXECUTE 'CREATE SERVER pgtimewarp FOREIGN DATA WRAPPER postgres_fdw OPTIONS ('
    || pgtimewarp_internal.server_options(store_host, store_port, store_database, node_id, ssl_mode, ssl_root_cert) || ')';
  BEGIN
    EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER pgtimewarp OPTIONS (user %L, password %L)', reader, password);
  EXCEPTION WHEN OTHERS THEN -- the context of the error would show the statement
    RAISE EXCEPTION 'the user mapping cannot be made (SQLSTATE %)', SQLSTATE USING ERRCODE = SQLSTATE;
  END;
  CREATE FOREIGN TABLE pgtimewarp_internal.sql_interface (version int)
    SERVER pgtimewarp OPTIONS (schema_name 'pgtimewarp');
  CREATE FOREIGN TABLE pgtimewarp_internal.asof_answers (question text[], answer json)
    SERVER pgtimewarp OPTIONS (schema_name 'pgtimewarp');
  CREATE FOREIGN TABLE pgtimewarp_internal.diff_answers (
      question text[], place bigint, frame json, op text, valid_from_ts timestamptz, valid_from_lsn pg_lsn, xid bigint,
      row_data json, changed json, context json)
    SERVER pgtimewarp OPTIONS (schema_name 'pgtimewarp');
  CREATE FOREIGN TABLE pgtimewarp_internal.node_status (
      node_id text, status text, status_reason text, horizon_lsn pg_lsn, horizon_ts timestamptz, caught_up boolean,
      last_run_at timestamptz, tables bigint, open_gaps bigint)
    SERVER pgtimewarp OPTIONS (schema_name 'pgtimewarp');
  PERFORM pgtimewarp_internal.greet();
  IF NOT EXISTS (SELECT FROM pgtimewarp_internal.node_status s WHERE s.node_id = pgtimewarp_connect.node_id) THEN
    RAISE EXCEPTION 'the store has no node %', node_id
      USING ERRCODE = 'TW003', HINT = 'Name another one, or run `pgtimewarp init` first.';
  END IF;
END $$;

-- Only roles with EXECUTE may ask. row_of() and the functions it calls read nothing, so they are open to all.
DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pgtimewarp_internal'::regnamespace AND p.proname NOT IN ('row_of', 'member', 'stand_in', 'version')
        OR p.pronamespace = '@extschema@'::regnamespace
           AND p.proname IN ('pgtimewarp_asof_pk', 'pgtimewarp_asof_lsn_pk', 'pgtimewarp_asof_answer_pk', 'pgtimewarp_asof_row',
                             'pgtimewarp_diff_pk', 'pgtimewarp_connect', 'pgtimewarp_disconnect')
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
