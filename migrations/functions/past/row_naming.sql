-- How rows of the kind of this one get the present names of the columns: what with_names() says depends on the names in the row, in their
-- order, on the columns that are not known, and on where the row was written and read among the instants at which names changed; not on
-- its values. p_kind is a text of these. So it is asked once, about a row whose values are the places of its members.
CREATE OR REPLACE FUNCTION pgtimewarp.row_naming(
  p_kind text, p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb, p_pk text, p_members text[], p_incomplete text[],
  p_written_lsn pg_lsn, p_written_ts timestamptz)
RETURNS pgtimewarp.row_naming
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  naming pgtimewarp.row_naming;
  places json;
BEGIN
  SELECT n.row_data, n.incomplete INTO places, naming.incomplete
    FROM pgtimewarp.past_named(
           p_period, p_relid, p_columns, p_pk,
           (SELECT '{' || coalesce(string_agg(to_json(m.name)::text || ':' || m.place, ',' ORDER BY m.place), '') || '}'
              FROM unnest(p_members) WITH ORDINALITY AS m (name, place))::json,
           p_incomplete, p_written_lsn, p_written_ts) AS n;
  naming.kind := p_kind;
  SELECT coalesce(array_agg(to_json(e.key)::text ORDER BY e.n), '{}'), coalesce(array_agg(e.value::text::int ORDER BY e.n), '{}')
    INTO naming.names, naming.places
    FROM json_each(places) WITH ORDINALITY AS e (key, value, n);
  RETURN naming;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.row_naming(
  text, pgtimewarp.relation_periods, oid, jsonb, text, text[], text[], pg_lsn, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.row_naming(
  text, pgtimewarp.relation_periods, oid, jsonb, text, text[], text[], pg_lsn, timestamptz)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
