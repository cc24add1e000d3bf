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
                         caught_up boolean, last_run_at timestamptz, tables bigint, open_gaps bigint')
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

-- Only roles with EXECUTE may ask.
DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'pgtimewarp_internal'::regnamespace AND p.proname IN ('make_answer_tables')
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
