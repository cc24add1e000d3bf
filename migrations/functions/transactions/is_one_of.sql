-- Whether p_only, [{"schema", "table"}], contains this table; NULL: every table. A question has p_only if its caller may not
-- see all tables of the node. PostgreSQL inlines this function into the calling statement, so it has no search_path of its own.
CREATE OR REPLACE FUNCTION pgtimewarp.is_one_of(p_schema text, p_table text, p_only jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT p_only IS NULL OR p_only @> pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('schema', p_schema, 'table', p_table))
$$;

REVOKE ALL ON FUNCTION pgtimewarp.is_one_of(text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.is_one_of(text, text, jsonb)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
