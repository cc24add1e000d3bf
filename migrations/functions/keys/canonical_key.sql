-- The key as the history stores it: a compact JSON array of strings, ["42"] or ["eu","7"]. See canonical_key_values().
CREATE OR REPLACE FUNCTION pgtimewarp.canonical_key(pk_columns text[], pk_kinds text[], pk jsonb, p_refuses boolean DEFAULT true) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT array_to_json(pgtimewarp.canonical_key_values(pk_columns, pk_kinds, pk, p_refuses))::text
$$;

REVOKE ALL ON FUNCTION pgtimewarp.canonical_key(text[], text[], jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.canonical_key(text[], text[], jsonb, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
