-- Questions about many rows: what was committed, what a transaction did, what changed in a table, which rows had a value.
\echo Use "ALTER EXTENSION pgtimewarp UPDATE" to load this file. \quit

CREATE OR REPLACE FUNCTION pgtimewarp_internal.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '0.5'::text $$;

-- The views of the store, as foreign tables. Creates those that are missing: a connection of an earlier version has fewer.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.make_answer_tables() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t record;
BEGIN
  FOR t IN
    SELECT v.name, v.columns
      FROM (VALUES
        ('sql_interface', 'version int'),
        ('asof_answers', 'question text[], answer json'),
        ('diff_answers', 'question text[], place bigint, frame json, op text, valid_from_ts timestamptz, valid_from_lsn pg_lsn,
                          xid bigint, row_data json, changed json, context json'),
        ('node_status', 'node_id text, status text, status_reason text, horizon_lsn pg_lsn, horizon_ts timestamptz,
                         caught_up boolean, last_run_at timestamptz, tables bigint, open_gaps bigint'),
        ('history_tables', 'node_id text, schema_name text, table_name text, relid oid'),
        ('transactions_answers', 'question text[], place bigint, frame json, lsn pg_lsn, ts timestamptz, xid bigint, context json,
                                  tables json, rows bigint'),
        ('changes_answers', 'question text[], place bigint, frame json, schema_name text, table_name text, pk json, op text, lsn pg_lsn,
                             ts timestamptz, xid bigint, context json, before json, after json, changed json, incomplete text[],
                             assumes text'),
        ('find_answers', 'question text[], place bigint, frame json, pk json, valid_from_lsn pg_lsn, valid_from_ts timestamptz,
                          valid_from_xid bigint, valid_to_lsn pg_lsn, valid_to_ts timestamptz, valid_to_xid bigint, row_data json,
                          incomplete text[], assumes text'),
        ('past_answers', 'question text[], frame json, pk json, row_data json, json_nulls text[], is_computed boolean')
      ) AS v (name, columns)
     WHERE to_regclass('pgtimewarp_internal.' || v.name) IS NULL
  LOOP
    EXECUTE format('CREATE FOREIGN TABLE pgtimewarp_internal.%I (%s) SERVER pgtimewarp OPTIONS (schema_name ''pgtimewarp'')',
                   t.name, t.columns);
  END LOOP;
END $$;

-- Drops what pgtimewarp_connect() created. It fails if somebody else has created foreign tables on the server.
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_disconnect() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t regclass;
BEGIN
  FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'pgtimewarp_internal'::regnamespace AND c.relkind = 'f' LOOP
    EXECUTE format('DROP FOREIGN TABLE %s', t);
  END LOOP;
  IF EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'pgtimewarp') THEN
    DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER pgtimewarp;
    DROP SERVER pgtimewarp;
  END IF;
  PERFORM set_config('pgtimewarp.greeted', '', false);
END $$;

-- Creates or replaces the connection to the store, and tests it. `reader` is a login of the store with the role
-- pgtimewarp_reader. The server keeps the password in pg_user_mapping, which only superusers and the mapping's owner can
-- read. A password in the text of a statement can appear in logs; `pgtimewarp extension connect` avoids that.
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_connect(
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
  PERFORM pgtimewarp_internal.make_answer_tables();
  PERFORM pgtimewarp_internal.greet();
  IF NOT EXISTS (SELECT FROM pgtimewarp_internal.node_status s WHERE s.node_id = pgtimewarp_connect.node_id) THEN
    RAISE EXCEPTION 'the store has no node "%"', node_id
      USING ERRCODE = 'TW003', HINT = 'Name another one, or run `pgtimewarp init` first.';
  END IF;
END $$;

-- A connection that is there already gets the foreign tables of this version. They belong to the connection, not to the extension.
DO $$
DECLARE
  t regclass;
BEGIN
  IF to_regclass('pgtimewarp_internal.asof_answers') IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgtimewarp_internal.make_answer_tables();
  FOR t IN
    SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e' AND c.relkind = 'f'
       AND c.relnamespace = 'pgtimewarp_internal'::regnamespace
  LOOP
    EXECUTE pg_catalog.format('ALTER EXTENSION pgtimewarp DROP FOREIGN TABLE %s', t);
  END LOOP;
END $$;

-- The role that asks: the one that was set last. current_user would be the owner, because the functions that call this run as their
-- owner. For maintenance (REINDEX, ANALYZE, autovacuum, REFRESH MATERIALIZED VIEW) PostgreSQL runs code with the rights of the owner of
-- a table or view, which are unknown here: the role that was set last can have more. UNLISTEN does nothing, and is an error in
-- such code.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.caller() RETURNS name LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  BEGIN
    EXECUTE 'UNLISTEN "pgtimewarp asks whether it may"';
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'the history is not read while PostgreSQL runs code of the owner of an index or a materialized view'
      USING ERRCODE = 'insufficient_privilege', HINT = 'CREATE TABLE … AS keeps the result of a query about the past.';
  END;
  RETURN coalesce(nullif(current_setting('role'), 'none'), session_user);
END $$;

-- What a role may see of a table. `sees_key`: whether it may read a primary key, that is, which rows there are.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.rights(
  rel oid, caller name, OUT schema_name text, OUT table_name text, OUT kind "char", OUT sees_schema boolean, OUT sees_all boolean,
  OUT sees_key boolean, OUT has_policies boolean)
LANGUAGE sql STABLE AS $$
  SELECT n.nspname, c.relname, c.relkind, has_schema_privilege(r.oid, n.oid, 'USAGE'), has_table_privilege(r.oid, c.oid, 'SELECT'),
         EXISTS (SELECT FROM pg_index i
                  WHERE i.indrelid = c.oid AND i.indisprimary
                    AND (SELECT bool_and(has_column_privilege(r.oid, i.indrelid, k, 'SELECT')) FROM unnest(i.indkey) k)),
         c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls
           OR NOT c.relforcerowsecurity AND pg_has_role(r.oid, c.relowner, 'USAGE'))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = rights.caller
   WHERE c.oid = rel
$$;

-- Resolves the table and checks that the caller may see its history.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.admit(
  rel regclass, node_id text, OUT node text, OUT schema_name text, OUT table_name text, OUT caller name, OUT sees_all boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
  t record;
BEGIN
  IF rel IS NULL THEN
    RAISE EXCEPTION 'no table is named' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  caller := pgtimewarp_internal.caller();
  SELECT r.* INTO t FROM pgtimewarp_internal.rights(rel, caller) r;
  IF t.table_name IS NULL THEN
    RAISE EXCEPTION 'there is no table with OID %, or no role %', rel::oid, caller USING ERRCODE = 'undefined_table';
  END IF;
  schema_name := t.schema_name; table_name := t.table_name; sees_all := t.sees_all;
  IF t.kind NOT IN ('r', 'p') THEN
    -- a view under the name of a tracked table has its own rights; they do not cover the columns of the table
    RAISE EXCEPTION '% is not a table', table_name
      USING ERRCODE = 'wrong_object_type', HINT = 'History is that of tables: name the table itself.';
  ELSIF NOT t.sees_schema THEN
    RAISE EXCEPTION 'permission denied for schema %', schema_name USING ERRCODE = 'insufficient_privilege';
  ELSIF t.has_policies THEN
    RAISE EXCEPTION 'row-level security of table % applies to role %, and cannot be applied to its history', table_name, caller
      USING ERRCODE = 'insufficient_privilege', HINT = 'Ask as the owner of the table or as a role with BYPASSRLS.';
  ELSIF NOT (sees_all OR t.sees_key) THEN
    RAISE EXCEPTION 'permission denied for table %', table_name
      USING ERRCODE = 'insufficient_privilege', HINT = 'SELECT is needed on the table, or on its key and every column asked for.';
  END IF;
  node := pgtimewarp_internal.node(node_id);
END $$;

-- The tables with a history that the caller may see, by the rules of admit(). `admitted` is [{"schema", "table"}], or NULL if that is
-- all of them; `partly` those of which some columns may be hidden, with their OIDs. Superusers see all, also the history of tables
-- that are not there any more. Otherwise a warning says that some are left out.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.admit_tables(node text, OUT caller name, OUT admitted jsonb, OUT partly jsonb)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_variable
DECLARE
  hidden bigint;
  said text;
BEGIN
  caller := pgtimewarp_internal.caller();
  IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = caller) THEN
    RETURN;
  END IF;
  SELECT jsonb_agg(jsonb_build_object('schema', h.schema_name, 'table', h.table_name)) FILTER (WHERE s.may_see),
         jsonb_agg(jsonb_build_object('schema', h.schema_name, 'table', h.table_name, 'relid', c.oid::text))
           FILTER (WHERE s.may_see AND NOT s.sees_all),
         count(*) FILTER (WHERE NOT s.may_see)
    INTO admitted, partly, hidden
    FROM pgtimewarp_internal.history_tables h
    -- as in a question about one table, the OID must be that of the last run: rights belong to a table, history to a name
    LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace)
           ON n.nspname::text = h.schema_name AND c.relname::text = h.table_name AND c.oid = coalesce(h.relid, c.oid)
   CROSS JOIN LATERAL (
         SELECT coalesce(r.kind IN ('r', 'p') AND r.sees_schema AND NOT r.has_policies AND (r.sees_all OR r.sees_key), false) AS may_see,
                r.sees_all
           FROM pgtimewarp_internal.rights(c.oid, caller) r) s
   WHERE h.node_id = node;
  IF hidden = 0 THEN
    admitted := NULL;
    RETURN;
  END IF;
  admitted := coalesce(admitted, '[]');
  said := format('left out is the history of tables that role %s may not read, or that are not there any more: %s', caller, hidden);
  IF current_setting('pgtimewarp.answers', true) = 'complete' THEN
    RAISE EXCEPTION '%', said
      USING ERRCODE = 'insufficient_privilege', HINT = 'RESET pgtimewarp.answers to get what this role may read.';
  END IF;
  RAISE WARNING '%', said USING ERRCODE = '01T04';
END $$;

-- Checks, once in a session, that questions about many rows reach the store.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.greet_many() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF current_setting('pgtimewarp.greeted_many', true) = 'yes' THEN
    RETURN;
  ELSIF to_regclass('pgtimewarp_internal.changes_answers') IS NULL THEN
    RAISE EXCEPTION 'the connection to the store was made by an earlier version of the functions'
      USING ERRCODE = 'TW021', HINT = 'Run `pgtimewarp extension connect` again.';
  END IF;
  BEGIN
    PERFORM FROM pgtimewarp_internal.changes_answers a WHERE a.question = '{""}';
  EXCEPTION WHEN undefined_table OR undefined_column OR insufficient_privilege THEN
    RAISE EXCEPTION 'the store cannot answer questions about many rows: %', split_part(SQLERRM, E'\n', 1)
      USING ERRCODE = 'TW022', HINT = 'Run `pgtimewarp migrate`.';
  END;
  PERFORM set_config('pgtimewarp.greeted_many', 'yes', false);
END $$;

-- Says what frames an answer: where changes may be missing, and whether it is final. These are warnings. With
-- pgtimewarp.answers = complete they are errors.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.tell_frame(frame json) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
  is_strict boolean := coalesce(current_setting('pgtimewarp.answers', true) = 'complete', false);
  hole record;
  said text;
BEGIN
  FOR hole IN
    SELECT h ->> 'from' AS lower, h ->> 'to' AS upper, h ->> 'reason' AS reason,
           (SELECT ' (' || string_agg(format('%I.%I', t ->> 'schema', t ->> 'table'), ', ') || ')' FROM json_array_elements(h -> 'tables') t)
             AS tables
      FROM json_array_elements(frame -> 'unknown') h
  LOOP
    said := format('changes between %s and %s may be missing: %s%s', coalesce(hole.lower, 'the beginning'),
                   coalesce(hole.upper, 'now'), hole.reason, hole.tables);
    IF is_strict THEN
      RAISE EXCEPTION '%', said
        USING ERRCODE = 'TW016', HINT = 'Ask about another interval, or RESET pgtimewarp.answers to get what is known.';
    END IF;
    RAISE WARNING '%', said USING ERRCODE = '01T03';
  END LOOP;
  IF NOT (frame ->> 'final')::boolean THEN
    said := format('the list is not final: the store is complete up to %s', coalesce(frame ->> 'horizon', 'no instant yet'));
    IF is_strict THEN
      RAISE EXCEPTION '%', said USING ERRCODE = 'TW017', HINT = 'Ask again after the next run, or up to pgtimewarp_horizon().';
    END IF;
    RAISE WARNING '%', said USING ERRCODE = '01T01', HINT = 'Ask again after the next run, or up to pgtimewarp_horizon().';
  END IF;
END $$;

-- The interval of a question and the number of rows that it asks for, as members of it.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.window_of(
  from_ts timestamptz, to_ts timestamptz, from_lsn pg_lsn, to_lsn pg_lsn, limit_ int)
RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF from_ts IS NOT NULL AND from_lsn IS NOT NULL OR to_ts IS NOT NULL AND to_lsn IS NOT NULL THEN
    RAISE EXCEPTION 'an end of the interval is a time or an LSN, not both' USING ERRCODE = 'TW004';
  ELSIF limit_ < 1 THEN
    RAISE EXCEPTION 'limit_ must be positive' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN jsonb_build_object('from', from_ts, 'to', to_ts, 'from_lsn', from_lsn::text, 'to_lsn', to_lsn::text, 'limit', limit_);
END $$;

-- The members of a question without those that are NULL. Deeper down, a NULL is a value that is asked for.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.given(members jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(e.key, e.value) FILTER (WHERE e.value <> 'null'), '{}') FROM jsonb_each(members) AS e
$$;

-- The filter of a question. An argument that is NULL is no filter; a NULL inside `where_` asks for rows with NULL. `known` are the
-- operations that the answer can have. Another one is an error, because the answer would be empty without a reason.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.filter_of(where_ jsonb, changed_ text[], by_ jsonb, op_ text[], known text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  values_of record;
BEGIN
  FOR values_of IN
    SELECT v.name, v.value, v.kinds
      FROM (VALUES ('where_', where_, '{string,number,boolean,"null"}'::text[]), ('by_', by_, '{string,number,boolean}')) AS v (name, value, kinds)
     WHERE v.value IS NOT NULL
  LOOP
    IF jsonb_typeof(values_of.value) <> 'object'
       OR EXISTS (SELECT FROM jsonb_each(values_of.value) e WHERE jsonb_typeof(e.value) <> ALL (values_of.kinds)) THEN
      RAISE EXCEPTION '% is a JSON object of names and plain values: {"name": "value"}', values_of.name
        USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END LOOP;
  IF NOT op_ <@ known THEN
    RAISE EXCEPTION 'op_ is an array of some of %', array_to_string(known, ', ') USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN pgtimewarp_internal.given(jsonb_build_object('where', where_, 'changed', changed_, 'by', by_, 'op', op_));
END $$;

-- Raises an error unless the caller may see the columns that a filter names: a row that is found shows that it has the value.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.admit_columns(rel regclass, caller name, names text[]) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
  hidden text;
BEGIN
  SELECT string_agg(quote_ident(u.name), ', ') INTO hidden
    FROM unnest(names) AS u (name)
    LEFT JOIN pg_attribute a ON a.attrelid = rel AND a.attname = u.name AND a.attnum > 0 AND NOT a.attisdropped
   WHERE NOT coalesce(has_column_privilege(caller, rel, a.attnum, 'SELECT'), false);
  IF hidden IS NOT NULL THEN
    RAISE EXCEPTION 'permission denied for columns of the history of table %: %', rel, hidden USING ERRCODE = 'insufficient_privilege';
  END IF;
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
      SELECT string_agg(quote_ident(m), ', ') INTO missing FROM json_array_elements_text(c.frame -> 'incomplete') m;
      IF missing IS NOT NULL THEN
        RAISE WARNING 'values of these rows are not known, and left out: %', missing USING ERRCODE = '01T02';
      END IF;
      PERFORM pgtimewarp_internal.tell_frame(c.frame);
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

-- What was committed in (from, to], newest first: each transaction with what it did to the tables that the caller may see. NULL: from
-- the start of tracking, to the horizon.
CREATE FUNCTION @extschema@.pgtimewarp_transactions(
  from_ts timestamptz DEFAULT NULL, to_ts timestamptz DEFAULT NULL, rel regclass DEFAULT NULL, by_ jsonb DEFAULT NULL,
  op_ text[] DEFAULT NULL, min_rows bigint DEFAULT NULL, xid_ bigint DEFAULT NULL, limit_ int DEFAULT NULL,
  from_lsn pg_lsn DEFAULT NULL, to_lsn pg_lsn DEFAULT NULL, node_id text DEFAULT NULL)
RETURNS TABLE (lsn pg_lsn, ts timestamptz, xid bigint, context json, tables json, rows bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 ROWS 100 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  asked text;
  filter jsonb := pgtimewarp_internal.filter_of(NULL, NULL, by_, op_, '{I,U,D,T}')
    -- the log has the lower 32 bits of a number, pg_current_xact_id() gives 64
    || jsonb_build_object('min_rows', min_rows, 'xid', xid_ & 4294967295);
  who record;
  t record;
BEGIN
  IF rel IS NOT NULL THEN
    who := pgtimewarp_internal.admit(rel, node_id);
    filter := filter || jsonb_build_object('schema', who.schema_name, 'table', who.table_name);
  END IF;
  asked := pgtimewarp_internal.node(node_id);
  PERFORM pgtimewarp_internal.greet_many();
  filter := filter || jsonb_build_object('only', (pgtimewarp_internal.admit_tables(asked)).admitted);
  FOR t IN EXECUTE format(
    'SELECT a.frame, a.lsn, a.ts, a.xid, a.context, a.tables, a.rows
       FROM pgtimewarp_internal.transactions_answers a WHERE a.question = %L ORDER BY a.place',
    ARRAY[pgtimewarp_internal.given(jsonb_build_object('node', asked, 'relid', rel::oid::text, 'filter', pgtimewarp_internal.given(filter))
      || pgtimewarp_internal.window_of(from_ts, to_ts, from_lsn, to_lsn, limit_))::text])
  LOOP
    IF t.frame IS NOT NULL THEN
      PERFORM pgtimewarp_internal.tell_frame(t.frame);
      CONTINUE;
    END IF;
    lsn := t.lsn; ts := t.ts; xid := t.xid; context := t.context; tables := t.tables; rows := t.rows;
    RETURN NEXT;
  END LOOP;
END $$;

-- Every row that a transaction touched in tables that the caller may see, before and after: table by table, in each in the order of
-- the transaction. No rows if there is no such transaction.
CREATE FUNCTION @extschema@.pgtimewarp_transaction(commit_lsn pg_lsn, node_id text DEFAULT NULL)
RETURNS TABLE (schema_name text, table_name text, pk json, op text, lsn pg_lsn, ts timestamptz, xid bigint, context json, before json,
               after json, changed json, incomplete text[], assumes text)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 ROWS 1000 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  asked text;
  who record;
  rel regclass; -- of a table of which the caller may not see every column
  c record;
BEGIN
  IF commit_lsn IS NULL THEN
    RAISE EXCEPTION 'the LSN must not be NULL' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  asked := pgtimewarp_internal.node(node_id);
  PERFORM pgtimewarp_internal.greet_many();
  who := pgtimewarp_internal.admit_tables(asked);
  FOR c IN EXECUTE format(
    'SELECT a.frame, a.schema_name, a.table_name, a.pk, a.op, a.lsn, a.ts, a.xid, a.context, a.before, a.after, a.changed, a.incomplete,
            a.assumes
       FROM pgtimewarp_internal.changes_answers a WHERE a.question = %L ORDER BY a.place',
    ARRAY[pgtimewarp_internal.given(jsonb_build_object('node', asked, 'transaction', commit_lsn::text, 'only', who.admitted))::text])
  LOOP
    IF c.frame IS NOT NULL THEN
      PERFORM pgtimewarp_internal.tell_frame(c.frame);
      CONTINUE;
    END IF;
    IF who.partly IS NOT NULL AND (c.schema_name, c.table_name) IS DISTINCT FROM (schema_name, table_name) THEN
      rel := (SELECT (p ->> 'relid')::oid FROM jsonb_array_elements(who.partly) p
               WHERE p ->> 'schema' = c.schema_name AND p ->> 'table' = c.table_name);
    END IF;
    schema_name := c.schema_name; table_name := c.table_name; pk := c.pk; op := c.op; lsn := c.lsn; ts := c.ts; xid := c.xid;
    context := c.context; incomplete := c.incomplete; assumes := c.assumes; before := c.before; after := c.after; changed := c.changed;
    IF rel IS NOT NULL THEN
      pk := pgtimewarp_internal.visible_part(pk, rel, who.caller);
      before := pgtimewarp_internal.visible_part(before, rel, who.caller);
      after := pgtimewarp_internal.visible_part(after, rel, who.caller);
      changed := pgtimewarp_internal.visible_part(changed, rel, who.caller);
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- The changes of every row of a table in (from, to], in the order of commits; with `net` one for each row, from its first state to its
-- last, in the order of keys. NULL: from the start of tracking, to the horizon.
CREATE FUNCTION @extschema@.pgtimewarp_changes(
  rel regclass, from_ts timestamptz DEFAULT NULL, to_ts timestamptz DEFAULT NULL, net boolean DEFAULT false, where_ jsonb DEFAULT NULL,
  changed_ text[] DEFAULT NULL, by_ jsonb DEFAULT NULL, op_ text[] DEFAULT NULL, limit_ int DEFAULT NULL,
  from_lsn pg_lsn DEFAULT NULL, to_lsn pg_lsn DEFAULT NULL, node_id text DEFAULT NULL)
RETURNS TABLE (pk json, op text, lsn pg_lsn, ts timestamptz, xid bigint, context json, before json, after json, changed json,
               incomplete text[], assumes text)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 ROWS 1000 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  who record;
  c record;
  filter jsonb := pgtimewarp_internal.filter_of(
    where_, changed_, by_, op_, CASE WHEN net THEN '{I,U,D}'::text[] ELSE '{I,U,D,T,S}' END);
BEGIN
  who := pgtimewarp_internal.admit(rel, node_id);
  PERFORM pgtimewarp_internal.greet_many();
  IF NOT who.sees_all THEN
    PERFORM pgtimewarp_internal.admit_columns(rel, who.caller, changed_ || ARRAY(SELECT jsonb_object_keys(where_)));
  END IF;
  FOR c IN EXECUTE format(
    'SELECT a.frame, a.pk, a.op, a.lsn, a.ts, a.xid, a.context, a.before, a.after, a.changed, a.incomplete, a.assumes
       FROM pgtimewarp_internal.changes_answers a WHERE a.question = %L ORDER BY a.place',
    ARRAY[pgtimewarp_internal.given(jsonb_build_object('node', who.node, 'schema', who.schema_name, 'table', who.table_name,
        'relid', rel::oid::text, 'net', net, 'filter', filter)
      || pgtimewarp_internal.window_of(from_ts, to_ts, from_lsn, to_lsn, limit_))::text])
  LOOP
    IF c.frame IS NOT NULL THEN
      PERFORM pgtimewarp_internal.tell_frame(c.frame);
      CONTINUE;
    END IF;
    pk := c.pk; op := c.op; lsn := c.lsn; ts := c.ts; xid := c.xid; context := c.context; incomplete := c.incomplete;
    assumes := c.assumes; before := c.before; after := c.after; changed := c.changed;
    IF NOT who.sees_all THEN
      pk := pgtimewarp_internal.visible_part(pk, rel, who.caller); -- the table can have had another key
      before := pgtimewarp_internal.visible_part(before, rel, who.caller);
      after := pgtimewarp_internal.visible_part(after, rel, who.caller);
      changed := pgtimewarp_internal.visible_part(changed, rel, who.caller);
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- The versions of rows of a table that have values, in the order of keys: those of an instant (`at`; without it and without an
-- interval the horizon), or those that were valid at any moment of an interval.
CREATE FUNCTION @extschema@.pgtimewarp_find(
  rel regclass, where_ jsonb, at timestamptz DEFAULT NULL, from_ts timestamptz DEFAULT NULL, to_ts timestamptz DEFAULT NULL,
  limit_ int DEFAULT NULL, at_lsn pg_lsn DEFAULT NULL, from_lsn pg_lsn DEFAULT NULL, to_lsn pg_lsn DEFAULT NULL,
  node_id text DEFAULT NULL)
RETURNS TABLE (pk json, valid_from_lsn pg_lsn, valid_from_ts timestamptz, valid_from_xid bigint, valid_to_lsn pg_lsn,
               valid_to_ts timestamptz, valid_to_xid bigint, row_data json, incomplete text[], assumes text)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 ROWS 1000 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  is_interval boolean := num_nonnulls(from_ts, to_ts, from_lsn, to_lsn) > 0;
  who record;
  c record;
BEGIN
  IF where_ IS NULL THEN
    RAISE EXCEPTION 'where_ must not be NULL' USING ERRCODE = 'null_value_not_allowed';
  ELSIF is_interval AND num_nonnulls(at, at_lsn) > 0 THEN
    RAISE EXCEPTION 'a question is about an instant or an interval, not both' USING ERRCODE = 'TW004';
  END IF;
  PERFORM pgtimewarp_internal.filter_of(where_, NULL, NULL, NULL, NULL);
  who := pgtimewarp_internal.admit(rel, node_id);
  PERFORM pgtimewarp_internal.greet_many();
  IF NOT who.sees_all THEN
    PERFORM pgtimewarp_internal.admit_columns(rel, who.caller, ARRAY(SELECT jsonb_object_keys(where_)));
  END IF;
  FOR c IN EXECUTE format(
    'SELECT a.frame, a.pk, a.valid_from_lsn, a.valid_from_ts, a.valid_from_xid, a.valid_to_lsn, a.valid_to_ts, a.valid_to_xid,
            a.row_data, a.incomplete, a.assumes
       FROM pgtimewarp_internal.find_answers a WHERE a.question = %L ORDER BY a.place',
    ARRAY[pgtimewarp_internal.given(jsonb_build_object('node', who.node, 'schema', who.schema_name, 'table', who.table_name,
        'relid', rel::oid::text, 'instant', NOT is_interval, 'where', where_)
      || CASE WHEN is_interval THEN pgtimewarp_internal.window_of(from_ts, to_ts, from_lsn, to_lsn, limit_)
              ELSE pgtimewarp_internal.window_of(at, at, at_lsn, at_lsn, limit_) END)::text])
  LOOP
    IF c.frame IS NOT NULL THEN
      PERFORM pgtimewarp_internal.tell_frame(c.frame);
      CONTINUE;
    END IF;
    pk := c.pk; valid_from_lsn := c.valid_from_lsn; valid_from_ts := c.valid_from_ts; valid_from_xid := c.valid_from_xid;
    valid_to_lsn := c.valid_to_lsn; valid_to_ts := c.valid_to_ts; valid_to_xid := c.valid_to_xid; incomplete := c.incomplete;
    assumes := c.assumes;
    row_data := c.row_data;
    IF NOT who.sees_all THEN
      pk := pgtimewarp_internal.visible_part(pk, rel, who.caller);
      row_data := pgtimewarp_internal.visible_part(row_data, rel, who.caller);
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- Only roles with EXECUTE may ask.
DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pgtimewarp_internal'::regnamespace AND p.proname IN (
             'make_answer_tables', 'caller', 'rights', 'admit_tables', 'greet_many', 'tell_frame', 'window_of', 'given', 'filter_of', 'admit_columns')
        OR p.pronamespace = '@extschema@'::regnamespace
           AND p.proname IN ('pgtimewarp_transactions', 'pgtimewarp_transaction', 'pgtimewarp_changes', 'pgtimewarp_find')
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The past of a whole table: live rows, and the rows of the store for the keys that changed since.
-- (docs/decisions/0038-the-past-in-sql.md)
-- Errors: TW017 the instant is not final yet · TW018 pgtimewarp.as_of is not set, or unusable · TW019 the view is out of date
-- A value that its column cannot hold as it was is TW024, a row that does not become one of the table TW023.
-- Warnings: 01T05 rows are left out · 01T06 the view, or the answer, lacks columns

-- The instant of a text: an LSN or a time. Without a text, that of the setting pgtimewarp.as_of.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.instant(at text, OUT ts timestamptz, OUT lsn pg_lsn)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  at := coalesce(at, nullif(current_setting('pgtimewarp.as_of', true), ''));
  IF at IS NULL THEN
    RAISE EXCEPTION 'pgtimewarp.as_of is not set'
      USING ERRCODE = 'TW018', HINT = 'SET pgtimewarp.as_of = ''2026-01-31 09:41'';  (a time, or an LSN)';
  ELSIF at ~ '^\s*[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}\s*$' THEN
    lsn := at;
  ELSE
    BEGIN
      ts := at;
    EXCEPTION WHEN data_exception THEN
      RAISE EXCEPTION 'not a time or an LSN: %', at USING ERRCODE = 'TW018';
    END;
  END IF;
END $$;

-- How far the statement's snapshot reaches, as {"lsn", "slot", "slot_lsn"}; or {"why"}: the live rows cannot be used. The position is
-- read after the snapshot was taken, so every commit that the statement sees lies before it. Then the function waits until a run has
-- read up to there: a run moves the slot only after the store has committed. A transaction has one snapshot of the store, so the
-- function waits only before the first question of the transaction.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.seen(rel regclass, node text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
  snapshot text := pg_current_snapshot();
  kept text := coalesce(current_setting('pgtimewarp.seen', true), '');
  -- what the store said before in this session, or else the default of `init`
  slot name := CASE WHEN split_part(current_setting('pgtimewarp.slot', true), ' ', 1) = node
                    THEN split_part(current_setting('pgtimewarp.slot', true), ' ', 2) ELSE 'pgtimewarp_' || node END;
  until timestamptz := clock_timestamp() + coalesce(nullif(current_setting('pgtimewarp.asof_wait', true), ''), '10s')::interval;
  tree oid[] := ARRAY(SELECT rel::oid UNION SELECT t.relid FROM pg_partition_tree(rel) t);
  lsn pg_lsn;
  slot_lsn pg_lsn;
BEGIN
  IF current_setting('pgtimewarp.asof_from', true) = 'store' THEN
    RETURN '{"why": "asked"}';
  ELSIF pg_is_in_recovery() THEN
    RETURN '{"why": "this server is a standby"}';
  ELSIF pg_current_xact_id_if_assigned() IS NOT NULL AND EXISTS (
    SELECT FROM pg_locks k
     WHERE k.pid = pg_backend_pid() AND k.locktype = 'relation' AND k.granted AND k.relation = ANY (tree)
       AND k.mode NOT IN ('AccessShareLock', 'RowShareLock')) THEN
    RETURN '{"why": "this transaction has written to the table"}';
  ELSIF EXISTS (
    -- the catalog now, which decides what a scan reads, against the catalog of the snapshot
    SELECT FROM unnest(tree) AS t (relid) LEFT JOIN pg_class c ON c.oid = t.relid
     WHERE c.oid IS NULL OR c.relfilenode <> coalesce(pg_relation_filenode(t.relid), 0))
    OR EXISTS (
    WITH RECURSIVE known AS (
      SELECT rel::oid AS relid
       UNION ALL
      SELECT i.inhrelid FROM pg_inherits i JOIN known k ON k.relid = i.inhparent
       WHERE NOT i.inhdetachpending AND (SELECT c.relkind FROM pg_class c WHERE c.oid = i.inhparent) = 'p')
    SELECT FROM known FULL JOIN unnest(tree) AS t (relid) USING (relid) WHERE known.relid IS NULL OR t.relid IS NULL) THEN
    RETURN '{"why": "the table was rewritten, truncated or divided otherwise after the snapshot of this transaction"}';
  ELSIF split_part(kept, ' ', 1) = snapshot THEN
    lsn := split_part(kept, ' ', 2);
  ELSE
    lsn := pg_current_wal_insert_lsn();
    PERFORM set_config('pgtimewarp.seen', snapshot || ' ' || lsn, true);
  END IF;
  LOOP
    slot_lsn := (SELECT s.confirmed_flush_lsn FROM pg_replication_slots s
                  WHERE s.slot_name = slot AND s.database = current_database());
    EXIT WHEN slot_lsn IS NULL OR slot_lsn >= lsn OR kept <> '' OR clock_timestamp() >= until;
    PERFORM pg_sleep(0.02);
  END LOOP;
  RETURN jsonb_build_object('lsn', lsn, 'slot', slot, 'slot_lsn', slot_lsn);
END $$;

-- The type below a domain, however many domains are between.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.base_type(p_type oid) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE below AS (
    SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = p_type
     UNION ALL
    SELECT t.oid, t.typbasetype FROM below b JOIN pg_type t ON t.oid = b.typbasetype)
  SELECT b.oid FROM below b WHERE b.typbasetype = 0
$$;

-- The columns of the primary key, in its order.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.key_columns(rel regclass)
RETURNS TABLE (place bigint, name name, type_text text, collation_text text, equals text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT k.place, a.attname,
         -- a domain would check its constraint, and a length or a scale would change a key of the past
         format_type(pgtimewarp_internal.base_type(a.atttypid), -1),
         CASE WHEN a.attcollation <> 0 THEN (
           SELECT format(' COLLATE %I.%I', n.nspname, co.collname) FROM pg_collation co JOIN pg_namespace n ON n.oid = co.collnamespace
            WHERE co.oid = a.attcollation) ELSE '' END,
         -- the operator of the index, wherever the type comes from
         (SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
            FROM pg_opclass oc JOIN pg_amop am ON am.amopfamily = oc.opcfamily AND am.amopstrategy = 3
             AND am.amoplefttype = oc.opcintype AND am.amoprighttype = oc.opcintype
            JOIN pg_operator o ON o.oid = am.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
           WHERE oc.oid = i.indclass[k.place - 1])
    FROM pg_index i
   CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
   WHERE i.indrelid = rel AND i.indisprimary AND k.place <= i.indnkeyatts
$$;

-- What the text of past_query() takes from the catalog, as a short text: the kind of the table, its key, the types, collations and
-- expressions of columns.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.shape(rel regclass, columns text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT md5(jsonb_build_array(
    (SELECT c.relkind FROM pg_class c WHERE c.oid = rel),
    (SELECT jsonb_agg(k ORDER BY k.place) FROM pgtimewarp_internal.key_columns(rel) k),
    (SELECT jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation,
                        CASE WHEN a.attgenerated = 's' THEN pg_get_expr(d.adbin, d.adrelid) END) ORDER BY a.attname)
       FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (columns)))::text)
$$;

-- The rows of the store for past_query(): of the keys that changed since the instant, or of all. The first row says whether the live
-- rows are to be read as well. Rows that the caller may not see, or that are not known, are an error; also a text of past_query()
-- that was made for another `shape` of the table.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.past(rel regclass, columns text[], at text, node_id text, shape text DEFAULT NULL)
RETURNS TABLE (is_live boolean, pk json, row_data json, json_nulls text[], is_plain boolean, is_computed boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 ROWS 10000
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF shape <> pgtimewarp_internal.shape(rel, columns) THEN
    RAISE EXCEPTION 'the view of % is out of date: the key, the type of a column, or the table itself is another one now', rel
      USING ERRCODE = 'TW019', HINT = 'Renew it with `pgtimewarp extension views`.';
  END IF;
  -- no loop: it would cost more for each row than the row itself
  RETURN QUERY EXECUTE format(
    'SELECT CASE WHEN p.frame IS NOT NULL THEN pgtimewarp_internal.tell_past($1, $2, p.frame) END, p.pk, p.row_data, p.json_nulls,
            CASE WHEN p.row_data IS NOT NULL THEN p.json_nulls IS NULL AND position(chr(92) || ''u'' IN p.row_data::text) = 0 END,
            p.is_computed
       FROM pgtimewarp_internal.past_answers p WHERE p.question = %L',
    ARRAY[pgtimewarp_internal.past_question(rel, columns, at, node_id)::text])
    USING rel, columns;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the store did not answer' USING ERRCODE = 'TW022';
  END IF;
END $$;

-- The question about a table, after checking the caller's rights and waiting for a run. Every column of the table has to be visible:
-- a row of the store may hold columns that the table does not have any more.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.past_question(rel regclass, columns text[], at text, node_id text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
  asked record := pgtimewarp_internal.instant(at);
  t record := pgtimewarp_internal.rights(rel, pgtimewarp_internal.caller());
  source jsonb := '{"why": "asked"}';
  who record;
BEGIN
  IF t.sees_all AND NOT t.has_policies THEN
    -- before the first question to the store, which takes the snapshot of the store
    source := pgtimewarp_internal.seen(rel, coalesce(node_id, pgtimewarp_internal.default_node()));
  END IF;
  who := pgtimewarp_internal.admit(rel, node_id);
  IF NOT who.sees_all THEN
    RAISE EXCEPTION 'permission denied for table %', who.table_name
      USING ERRCODE = 'insufficient_privilege', HINT = 'The past of a whole table needs SELECT on the table.';
  ELSIF who.node <> pgtimewarp_internal.default_node()
        AND NOT has_function_privilege(who.caller, 'pgtimewarp_internal.past_frame(regclass, text, text)', 'EXECUTE') THEN
    -- past() is open to all; in another database, for example the origin of this copy, the table has rights of its own
    RAISE EXCEPTION 'permission denied for node %', who.node USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM pgtimewarp_internal.greet_many();
  RETURN jsonb_strip_nulls(jsonb_build_object(
    'node', who.node, 'schema', who.schema_name, 'table', who.table_name, 'relid', rel::oid::text,
    'ts', asked.ts, 'lsn', asked.lsn::text, 'skip', current_setting('pgtimewarp.unknown', true) = 'skip',
    'source', source || jsonb_build_object('keys', ARRAY(
      SELECT k.name FROM pgtimewarp_internal.key_columns(rel) k ORDER BY k.place)),
    'columns', (SELECT jsonb_object_agg(a.attnum::text, a.attname) FROM pg_attribute a
                 WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (columns)),
    'types', (SELECT jsonb_object_agg(a.attnum::text, a.atttypid || ' ' || format_type(a.atttypid, a.atttypmod)) FROM pg_attribute a
               WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (columns)),
    'careful', pgtimewarp_internal.is_careful(rel, columns),
    'computed', ARRAY(SELECT a.attname FROM pg_attribute a
                       WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = 's')));
END $$;

-- Whether rows of the history may make other values although no column has another type: a composite type can get other attributes, and a
-- session can read values otherwise than they were written.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.is_careful(rel regclass, columns text[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE part AS (
    SELECT a.atttypid AS oid FROM pg_attribute a
     WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (columns)
     UNION
    SELECT x.oid FROM part p JOIN pg_type t ON t.oid = p.oid
     CROSS JOIN LATERAL (VALUES (t.typbasetype), (CASE WHEN t.typcategory = 'A' THEN t.typelem END)) AS x (oid)
     WHERE x.oid <> 0)
  SELECT current_setting('array_nulls') <> 'on' OR EXISTS (
    SELECT FROM part p JOIN pg_type t ON t.oid = p.oid
     WHERE t.typtype = 'c'
        OR t.oid = 'money'::regtype AND current_setting('lc_monetary') <> 'C'
        OR t.oid = 'xml'::regtype AND current_setting('xmloption') <> 'content')
$$;

-- Reports the frame of an answer: why the store answers alone, columns that the table did not have then or does not have any more, rows
-- that were left out. Returns whether the live rows are to be read as well; NULL for the last row, which only counts.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.tell_past(rel regclass, columns text[], frame json) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
  named text;
BEGIN
  IF (frame ->> 'unread')::bigint > 0 THEN
    RAISE WARNING 'rows of % that are not known are left out: %', rel, frame ->> 'unread' USING ERRCODE = '01T05';
  END IF;
  IF (frame ->> 'lacking')::bigint > 0 THEN
    RAISE WARNING 'rows of % with values that are not known are left out: %', rel, frame ->> 'lacking' USING ERRCODE = '01T05';
  END IF;
  IF frame ->> 'live' IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM set_config('pgtimewarp.slot', (frame ->> 'node') || ' ' || (frame ->> 'slot'), false);
  IF frame ->> 'why' <> 'asked' THEN
    RAISE NOTICE 'the store alone answers for %: %', rel, frame ->> 'why';
  END IF;
  SELECT string_agg(quote_ident(n), ', ') INTO named FROM json_array_elements_text(frame -> 'added') n WHERE n = ANY (columns);
  IF named IS NOT NULL THEN
    RAISE NOTICE 'columns that % did not have then are NULL: %', rel, named;
  END IF;
  SELECT string_agg(quote_ident(n), ', ') INTO named FROM json_array_elements_text(frame -> 'gone') n;
  IF named IS NOT NULL THEN
    RAISE NOTICE 'columns that % does not have any more are left out: %', rel, named;
  END IF;
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO named
    FROM pg_attribute a
   WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v' AND a.attname <> ALL (columns)
     AND a.attname NOT IN (SELECT json_array_elements_text(frame -> 'excluded'));
  IF named IS NOT NULL THEN
    RAISE WARNING 'the view of % is out of date, it lacks the columns %', rel, named
      USING ERRCODE = '01T06', HINT = 'Renew it with `pgtimewarp extension views`.';
  END IF;
  RETURN frame ->> 'live';
END $$;

-- The node that was given to pgtimewarp_connect(): the application_name of the server. NULL: not connected.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.default_node() RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT split_part(o, '/', 2)
    FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver, unnest(s.srvoptions) o
   WHERE f.ftrelid = to_regclass('pgtimewarp_internal.asof_answers') AND o LIKE 'application\_name=%'
$$;

-- The node; without a name, the default.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.node(node_id text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  default_node text := pgtimewarp_internal.default_node();
BEGIN
  IF default_node IS NULL THEN
    RAISE EXCEPTION 'this database is not connected to a store'
      USING ERRCODE = 'TW021', HINT = 'Run `pgtimewarp extension connect`, or call pgtimewarp_connect().';
  END IF;
  PERFORM pgtimewarp_internal.greet();
  RETURN coalesce(node_id, default_node);
END $$;

-- The text of a query for the rows of a table as of an instant (NULL: pgtimewarp.as_of): the live rows whose key has not changed since,
-- and those of the store. `columns` are the columns of the result, in order; those in `unknown` are NULL. The text has no dependencies, and it
-- runs with the caller's rights and search_path, so every name in it is qualified.
--
-- Key values are made once for each key, as k1, k2 …. Beside live rows, columns of the key are taken from there if their type has one text for
-- each value, so that a condition on the key is checked before a row is made of its JSON. (Without live rows the history may have another key.)
-- The row with is_live is the first of past(); LIMIT ends the search for it.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.past_query(
  rel regclass, columns text[], unknown text[] DEFAULT '{}', at text DEFAULT NULL, node_id text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known text[] := ARRAY(SELECT c FROM unnest(columns) c WHERE c <> ALL (unknown));
  target text := (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.oid = rel);
  live text;       -- the columns of a live row
  then_ text;      -- those of a row of the store
  changed text;    -- the same, beside live rows
  definition text; -- their types
  keys text;
  same_key text;
BEGIN
  SELECT string_agg(CASE WHEN t.is_unknown THEN t.null_text ELSE format('l.%I', c.name) END, ', ' ORDER BY c.place),
         string_agg(CASE WHEN t.is_unknown THEN t.null_text ELSE t.then_text END, ', ' ORDER BY c.place),
         string_agg(CASE WHEN t.is_unknown THEN t.null_text
                         WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'text'::regtype)
                              AND a.attgenerated = '' AND k.place IS NOT NULL THEN format('p.k%s', k.place)
                         ELSE t.then_text END, ', ' ORDER BY c.place),
         string_agg(format('%I %s%s', c.name, t.type_text, t.collation_text), ', ' ORDER BY c.place) FILTER (WHERE NOT t.is_unknown)
    INTO live, then_, changed, definition
    FROM unnest(columns) WITH ORDINALITY AS c (name, place)
    JOIN pg_attribute a ON a.attrelid = rel AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pgtimewarp_internal.key_columns(rel) k ON k.name = a.attname
   CROSS JOIN LATERAL (
         SELECT format_type(a.atttypid, a.atttypmod) AS type_text,
                format('NULL::%s', format_type(a.atttypid, a.atttypmod)) AS null_text,
                c.name = ANY (unknown) AS is_unknown,
                CASE WHEN a.attgenerated = 's' THEN format('CASE WHEN p.is_computed THEN %s ELSE r.%I END',
                       (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = rel AND d.adnum = a.attnum), c.name)
                     ELSE format('r.%I', c.name) END AS then_text,
                coalesce((SELECT format(' COLLATE %I.%I', n.nspname, co.collname)
                            FROM pg_collation co JOIN pg_namespace n ON n.oid = co.collnamespace
                           WHERE co.oid = a.attcollation), '') AS collation_text) t;
  SELECT string_agg(format(', (p.pk OPERATOR(pg_catalog.->>) %s)::%s%s AS k%s', k.place - 1, k.type_text, k.collation_text, k.place), ''
                    ORDER BY k.place),
         string_agg(format('p.k%s %s l.%I', k.place, k.equals, k.name), ' AND ' ORDER BY k.place)
    INTO keys, same_key
    FROM pgtimewarp_internal.key_columns(rel) k;
  RETURN format(
    'WITH past AS MATERIALIZED (SELECT p.*%s FROM pgtimewarp_internal.past(%L::pg_catalog.regclass, %L, %L, %L, %L) AS p)
     SELECT %s FROM %s%s AS l
      WHERE (SELECT p.is_live FROM past AS p WHERE p.is_live IS NOT NULL LIMIT 1) AND NOT EXISTS (SELECT FROM past AS p WHERE %s)
     UNION ALL
     SELECT t.* FROM past AS p CROSS JOIN LATERAL (
       SELECT %s FROM pg_catalog.json_to_record(p.row_data) AS r (%s)) AS t
      WHERE p.is_plain AND (SELECT p.is_live FROM past AS p WHERE p.is_live IS NOT NULL LIMIT 1)
     UNION ALL
     SELECT t.* FROM past AS p CROSS JOIN LATERAL (
       SELECT %s FROM pg_catalog.json_to_record(p.row_data) AS r (%s)) AS t
      WHERE p.is_plain AND NOT (SELECT p.is_live FROM past AS p WHERE p.is_live IS NOT NULL LIMIT 1)
     UNION ALL
     SELECT t.* FROM past AS p CROSS JOIN LATERAL (
       SELECT %s FROM pgtimewarp_internal.past_row(NULL::%s, p.row_data, p.json_nulls) AS r) AS t WHERE NOT p.is_plain',
    keys, target, known, at, node_id, pgtimewarp_internal.shape(rel, known),
    live, CASE WHEN (SELECT c.relkind FROM pg_class c WHERE c.oid = rel) = 'p' THEN '' ELSE 'ONLY ' END, target,
    coalesce(same_key, 'true'), changed, definition, then_, definition, then_, target);
END $$;

-- A row as a row of the present table: with columns of type json that hold escapes which PostgreSQL's JSON functions refuse, and columns that
-- hold the JSON value null (json_nulls). `base` has the values of columns that the row lacks. Raises TW023 if the row does not become one of the
-- table. It runs as its caller, because making values of the table's types may run code of the table's owner; and under the settings with which
-- the values of the history were printed, because those of the session must not change a value.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.typed_row(base anyelement, row_data json, json_nulls text[]) RETURNS anyelement
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1
SET lc_monetary = 'C' SET xmloption = 'content' SET array_nulls = on SET quote_all_identifiers = off AS $$
DECLARE
  rel regclass := (SELECT t.typrelid FROM pg_type t WHERE t.oid = pg_typeof(base));
  plain json;
  columns text;
  problem text;
BEGIN
  BEGIN
    IF position(chr(92) || 'u' IN row_data::text) = 0 AND coalesce(json_nulls, '{}') = '{}' THEN
      base := json_populate_record(base, row_data);
    ELSE
      WITH members AS (
        SELECT m.name, m.place, m.key_text, m.value_text,
               (position(chr(92) || 'u' IN m.value_text) > 0 OR m.name = ANY (coalesce(json_nulls, '{}'))) AND EXISTS (
                 SELECT FROM pg_attribute a
                  WHERE a.attrelid = rel AND a.attname = m.name AND a.attnum > 0 AND NOT a.attisdropped
                    AND pgtimewarp_internal.base_type(a.atttypid) IN ('json'::regtype, 'jsonb'::regtype)) AS is_raw
          FROM pgtimewarp_internal.members(row_data) m)
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
  EXCEPTION WHEN data_exception OR integrity_constraint_violation OR datatype_mismatch OR cannot_coerce OR undefined_object
                 OR undefined_table OR undefined_function OR invalid_schema_name THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
    RAISE EXCEPTION 'the row of that time does not fit table % as it is now: %', rel, problem
      USING ERRCODE = 'TW023', HINT = 'pgtimewarp_asof_pk() gives it as JSON.';
  END;
  PERFORM pgtimewarp_internal.refuse_other_values(base, rel, row_data);
  RETURN base;
END $$;

-- Raises TW024 if the typed row, printed as the history prints values, is not the row of the history. Only zeros and blanks that a column
-- adds because it is wider than then are no difference. Call it under the settings of typed_row().
CREATE OR REPLACE FUNCTION pgtimewarp_internal.refuse_other_values(typed anyelement, rel regclass, row_data json) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
  m record;
  then_text text;
  now_text text;
BEGIN
  FOR m IN
    SELECT h.name, h.value_text AS was, t.value_text AS is_now, pgtimewarp_internal.base_type(a.atttypid) AS type
      FROM pgtimewarp_internal.members(row_data) h
      JOIN pgtimewarp_internal.members(row_to_json(typed)) t ON t.name = h.name
      JOIN pg_attribute a ON a.attrelid = rel AND a.attname = h.name AND a.attnum > 0 AND NOT a.attisdropped
     WHERE h.value_text <> t.value_text
  LOOP
    -- row_to_json() prints some types otherwise: composite types, arrays that do not begin at 1, types with a cast to json
    EXECUTE format('SELECT format(''%%s'', ($1).%I)', m.name) INTO now_text USING typed;
    IF left(m.was, 1) = '[' AND EXISTS (SELECT FROM pg_type t WHERE t.oid = m.type AND t.typcategory = 'A') THEN
      EXECUTE format('SELECT to_json(($1).%I::text[])::text', m.name) INTO now_text USING typed;
      CONTINUE WHEN now_text = m.was;
    ELSIF left(m.was, 1) NOT IN ('{', '[') AND m.was <> 'null' THEN
      then_text := m.was::json #>> '{}';
      CONTINUE WHEN now_text = then_text OR m.is_now = to_json(then_text)::text
        OR starts_with(now_text, then_text) AND substr(now_text, length(then_text) + 1) ~ CASE
             WHEN m.type = 'numeric'::regtype AND left(m.was, 1) <> '"' THEN
               CASE WHEN position('.' IN then_text) > 0 THEN '^0+$' ELSE '^\.0+$' END
             WHEN m.type = 'bpchar'::regtype THEN '^ +$' END;
    ELSIF left(m.was, 1) IN ('{', '[') THEN
      CONTINUE WHEN now_text = m.was; -- json, in a column that is text now
    END IF;
    RAISE EXCEPTION 'the column % of % cannot hold the value of that time as it was: % would become %', quote_ident(m.name), rel,
        left(m.was, 100), left(m.is_now, 100)
      USING ERRCODE = 'TW024', HINT = 'pgtimewarp_asof_pk(), `pgtimewarp asof` and the HTTP API give the value as JSON. '
        '`pgtimewarp asof TABLE --all --columns …` gives other columns.';
  END LOOP;
END $$;

-- The row for past_query(). With pgtimewarp.unknown = skip a row that the table cannot hold as it was is left out; a warning says so once in
-- a statement.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.past_row(base anyelement, row_data json, json_nulls text[])
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  said text;
  mark text;
BEGIN
  IF current_setting('pgtimewarp.unknown', true) IS DISTINCT FROM 'skip' THEN
    RETURN NEXT pgtimewarp_internal.typed_row(base, row_data, json_nulls);
    RETURN;
  END IF;
  BEGIN
    RETURN NEXT pgtimewarp_internal.typed_row(base, row_data, json_nulls);
  EXCEPTION WHEN SQLSTATE 'TW023' OR SQLSTATE 'TW024' THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
    mark := pg_typeof(base) || ' ' || to_json(statement_timestamp());
    IF current_setting('pgtimewarp.unfit', true) IS DISTINCT FROM mark THEN
      PERFORM set_config('pgtimewarp.unfit', mark, false);
      RAISE WARNING 'rows that do not fit are left out, for example: %', said USING ERRCODE = '01T05';
    END IF;
  END;
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
BEGIN
  IF rel IS NULL THEN
    RAISE EXCEPTION '% is not the row type of a table', pg_typeof(base)
      USING ERRCODE = 'wrong_object_type', HINT = 'Write NULL::orders for the table orders.';
  END IF;
  found_row := pgtimewarp_internal.row_of(@extschema@.pgtimewarp_asof_answer_pk(rel, pk, at, node_id), true);
  IF found_row IS NOT NULL THEN
    RETURN NEXT pgtimewarp_internal.typed_row(base, found_row, NULL);
  END IF;
END $$;

-- All rows of a table as of an instant, as rows of the table as it is now: pgtimewarp_asof_table(NULL::orders, '2026-01-31 09:41'). They are
-- complete, or it is an error. It runs as its caller: the live rows are read with the caller's rights.
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_asof_table(base anyelement, at timestamptz, node_id text DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE COST 10000 ROWS 10000 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- as JSON: DateStyle can write time zones as abbreviations, which are not unique
  RETURN QUERY EXECUTE pgtimewarp_internal.past_table_query(pg_typeof(base), to_json(at) #>> '{}', node_id);
END $$;

-- The same as of a position in the WAL of the source.
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_asof_lsn_table(base anyelement, at pg_lsn, node_id text DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE COST 10000 ROWS 10000 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY EXECUTE pgtimewarp_internal.past_table_query(pg_typeof(base), at::text, node_id);
END $$;

-- past_query() for every column of the table with this row type. Excluded columns are NULL, which a warning says.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.past_table_query(row_type regtype, at text, node_id text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rel regclass := (SELECT t.typrelid FROM pg_type t WHERE t.oid = row_type AND t.typrelid <> 0);
  columns text[];
  frame json;
  virtual text;
  excluded text;
BEGIN
  IF rel IS NULL THEN
    RAISE EXCEPTION '% is not the row type of a table', row_type
      USING ERRCODE = 'wrong_object_type', HINT = 'Write NULL::orders for the table orders.';
  ELSIF at IS NULL THEN
    RAISE EXCEPTION 'the instant must not be NULL' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  columns := ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum);
  frame := pgtimewarp_internal.past_frame(rel, at, node_id);
  SELECT string_agg(quote_ident(a.attname), ', ') INTO virtual
    FROM pg_attribute a
   WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
     AND (a.attgenerated = 'v' OR a.attname IN (SELECT json_array_elements_text(frame -> 'virtual')));
  IF virtual IS NOT NULL THEN
    RAISE EXCEPTION 'values of virtual columns are not in the history: %', virtual
      USING ERRCODE = 'TW015', HINT = 'A view of the schema asof leaves them out.';
  END IF;
  SELECT string_agg(quote_ident(c), ', ') INTO excluded
    FROM unnest(columns) c WHERE c IN (SELECT json_array_elements_text(frame -> 'excluded'));
  IF excluded IS NOT NULL THEN
    RAISE WARNING 'excluded columns of % are NULL: %', rel, excluded USING ERRCODE = '01T02';
  END IF;
  RETURN pgtimewarp_internal.past_query(
    rel, columns, ARRAY(SELECT json_array_elements_text(frame -> 'excluded')), at, node_id);
END $$;

-- What the store knows of a table at an instant, without its rows.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.past_frame(rel regclass, at text, node_id text) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  frame json;
BEGIN
  EXECUTE format('SELECT p.frame FROM pgtimewarp_internal.past_answers p WHERE p.question = %L', ARRAY[(
    pgtimewarp_internal.past_question(rel, '{}', at, node_id) || '{"facts": true, "columns": {}}')::text]) INTO frame;
  RETURN frame;
END $$;

-- Only roles with EXECUTE may ask. The functions that read nothing of the store, and no table, are open to all.
DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pgtimewarp_internal'::regnamespace
           AND p.proname IN ('instant', 'seen', 'past', 'past_question', 'is_careful', 'past_frame', 'tell_past', 'default_node', 'node')
        OR p.pronamespace = '@extschema@'::regnamespace AND p.proname IN ('pgtimewarp_asof_table', 'pgtimewarp_asof_lsn_table')
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
