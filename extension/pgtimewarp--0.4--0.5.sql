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
                          incomplete text[], assumes text')
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
    RAISE EXCEPTION 'the store has no node %', node_id
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
-- owner.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.caller() RETURNS name LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('role'), 'none'), session_user)::name
$$;

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
    -- a view that has taken the name of a tracked table has rights of its own, which say nothing of the table's columns
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

-- The filter of a question. Members that are NULL ask for nothing.
CREATE OR REPLACE FUNCTION pgtimewarp_internal.filter_of(where_ jsonb, changed_ text[], by_ jsonb, op_ text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  values_of record;
BEGIN
  FOR values_of IN SELECT v.name, v.value FROM (VALUES ('where_', where_), ('by_', by_)) AS v (name, value) WHERE v.value IS NOT NULL LOOP
    IF jsonb_typeof(values_of.value) <> 'object'
       OR EXISTS (SELECT FROM jsonb_each(values_of.value) e WHERE jsonb_typeof(e.value) NOT IN ('string', 'number', 'boolean')) THEN
      RAISE EXCEPTION '% is a JSON object of names and plain values: {"name": "value"}', values_of.name
        USING ERRCODE = 'invalid_parameter_value', HINT = 'A value that is NULL cannot be asked for.';
    END IF;
  END LOOP;
  IF NOT op_ <@ ARRAY['I', 'U', 'D', 'T', 'S'] THEN
    RAISE EXCEPTION 'op_ is a list of I (insert), U (update), D (delete), T (truncate)' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN jsonb_strip_nulls(jsonb_build_object('where', where_, 'changed', changed_, 'by', by_, 'op', op_));
END $$;

-- Raises an error unless the caller may see the columns that a filter names: the rows that it finds tell their values.
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
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_transactions(
  from_ts timestamptz DEFAULT NULL, to_ts timestamptz DEFAULT NULL, rel regclass DEFAULT NULL, by_ jsonb DEFAULT NULL,
  op_ text[] DEFAULT NULL, min_rows bigint DEFAULT NULL, xid_ bigint DEFAULT NULL, limit_ int DEFAULT NULL,
  from_lsn pg_lsn DEFAULT NULL, to_lsn pg_lsn DEFAULT NULL, node_id text DEFAULT NULL)
RETURNS TABLE (lsn pg_lsn, ts timestamptz, xid bigint, context json, tables json, rows bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 10000 ROWS 100 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  asked text;
  filter jsonb := pgtimewarp_internal.filter_of(NULL, NULL, by_, op_) || jsonb_build_object('min_rows', min_rows, 'xid', xid_);
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
    ARRAY[jsonb_strip_nulls(jsonb_build_object('node', asked, 'relid', rel::oid::text, 'filter', filter)
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
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_transaction(commit_lsn pg_lsn, node_id text DEFAULT NULL)
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
    ARRAY[jsonb_strip_nulls(jsonb_build_object('node', asked, 'transaction', commit_lsn::text, 'only', who.admitted))::text])
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
      before := pgtimewarp_internal.visible_part(before, rel, who.caller);
      after := pgtimewarp_internal.visible_part(after, rel, who.caller);
      changed := pgtimewarp_internal.visible_part(changed, rel, who.caller);
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- The changes of every row of a table in (from, to], in the order of commits; with `net` one for each row, from its first state to its
-- last, in the order of keys. NULL: from the start of tracking, to the horizon.
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_changes(
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
  filter jsonb := pgtimewarp_internal.filter_of(where_, changed_, by_, op_);
BEGIN
  who := pgtimewarp_internal.admit(rel, node_id);
  PERFORM pgtimewarp_internal.greet_many();
  IF NOT who.sees_all THEN
    PERFORM pgtimewarp_internal.admit_columns(rel, who.caller, changed_ || ARRAY(SELECT jsonb_object_keys(where_)));
  END IF;
  FOR c IN EXECUTE format(
    'SELECT a.frame, a.pk, a.op, a.lsn, a.ts, a.xid, a.context, a.before, a.after, a.changed, a.incomplete, a.assumes
       FROM pgtimewarp_internal.changes_answers a WHERE a.question = %L ORDER BY a.place',
    ARRAY[jsonb_strip_nulls(jsonb_build_object('node', who.node, 'schema', who.schema_name, 'table', who.table_name,
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
      before := pgtimewarp_internal.visible_part(before, rel, who.caller);
      after := pgtimewarp_internal.visible_part(after, rel, who.caller);
      changed := pgtimewarp_internal.visible_part(changed, rel, who.caller);
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

-- The versions of rows of a table that have values, in the order of keys: those of an instant (`at`; without it and without an
-- interval the horizon), or those that were valid at any moment of an interval.
CREATE OR REPLACE FUNCTION @extschema@.pgtimewarp_find(
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
  PERFORM pgtimewarp_internal.filter_of(where_, NULL, NULL, NULL);
  who := pgtimewarp_internal.admit(rel, node_id);
  PERFORM pgtimewarp_internal.greet_many();
  IF NOT who.sees_all THEN
    PERFORM pgtimewarp_internal.admit_columns(rel, who.caller, ARRAY(SELECT jsonb_object_keys(where_)));
  END IF;
  FOR c IN EXECUTE format(
    'SELECT a.frame, a.pk, a.valid_from_lsn, a.valid_from_ts, a.valid_from_xid, a.valid_to_lsn, a.valid_to_ts, a.valid_to_xid,
            a.row_data, a.incomplete, a.assumes
       FROM pgtimewarp_internal.find_answers a WHERE a.question = %L ORDER BY a.place',
    ARRAY[jsonb_strip_nulls(jsonb_build_object('node', who.node, 'schema', who.schema_name, 'table', who.table_name,
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
    row_data := CASE WHEN who.sees_all THEN c.row_data ELSE pgtimewarp_internal.visible_part(c.row_data, rel, who.caller) END;
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
             'make_answer_tables', 'caller', 'rights', 'admit_tables', 'greet_many', 'tell_frame', 'window_of', 'filter_of', 'admit_columns')
        OR p.pronamespace = '@extschema@'::regnamespace
           AND p.proname IN ('pgtimewarp_transactions', 'pgtimewarp_transaction', 'pgtimewarp_changes', 'pgtimewarp_find')
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
