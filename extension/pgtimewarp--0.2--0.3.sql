-- Refuses relations that are not tables.
\echo Use "ALTER EXTENSION pgtimewarp UPDATE" to load this file. \quit

CREATE OR REPLACE FUNCTION pgtimewarp_internal.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '0.3'::text $$;

-- Resolves the table and checks that the caller may see its history. The caller is the role that was set last. current_user
-- would be the owner, because the functions that call this run as their owner.
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
  caller := current_setting('role');
  IF caller = 'none' THEN
    caller := session_user;
  END IF;
  SELECT n.nspname, c.relname, c.relkind, has_table_privilege(r.oid, c.oid, 'SELECT') AS sees_all,
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
  IF t.relkind NOT IN ('r', 'p') THEN
    -- a view that has taken the name of a tracked table has rights of its own, which say nothing of the table's columns
    RAISE EXCEPTION '% is not a table', table_name
      USING ERRCODE = 'wrong_object_type', HINT = 'History is that of tables: name the table itself.';
  ELSIF NOT t.sees_schema THEN
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
