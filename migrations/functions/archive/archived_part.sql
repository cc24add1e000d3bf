-- The part of p_archived that has what a question about (p_from, p_to] needs of a period before p_before. Raises TW007 when there is
-- none: the caller reads the archive and asks again, or passes the error on. p_archived is an array of
-- {"kind", "relation_id", "before", "from", "to", "rows", "damaged"}. The kinds:
--   keys     for each key that is asked about, the changes before `before` in (from, to], the last one up to `from`, and the first one
--            after `to`. "damaged": the keys of which a file cannot be read
--   table    the same for all keys of an interval, "keys": {"after", "upto"} (null: of all others), known to the store or not. The question
--            is about keys after p_after
--   versions likewise, always with the first change after `to`
--   changes  all changes before `before` in (from, to], and the last one up to `from` of each of their keys; of all keys, with what
--            shows that a row was there, if a TRUNCATE lies in the interval
--   counts   {"valid_from_lsn", "op", "number"}: how many such changes the commits in (from, to] made
--
-- The cutoff must still be `before`: if it has moved meanwhile, changes between the two may be in neither.
CREATE OR REPLACE FUNCTION pgtimewarp.archived_part(
  p_archived json, p_period pgtimewarp.relation_periods, p_before pg_lsn, p_from pg_lsn, p_to pg_lsn,
  p_kind text DEFAULT 'keys', p_after text DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part json;
BEGIN
  IF p_before IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT a.part INTO part
    FROM json_array_elements(coalesce(p_archived, '[]')) AS a (part)
   WHERE (a.part ->> 'relation_id')::int = p_period.relation_id AND (a.part ->> 'before')::pg_lsn = p_before
     AND (a.part ->> 'from')::pg_lsn <= p_from AND (a.part ->> 'to')::pg_lsn >= least(p_to, p_before)
     AND a.part ->> 'kind' = p_kind AND (p_after IS NULL OR coalesce(a.part -> 'keys' ->> 'after', '') <= p_after COLLATE "C")
   LIMIT 1;
  IF part IS NULL THEN
    RAISE EXCEPTION 'the history of %.% before % is in the archive', quote_ident(p_period.schema_name), quote_ident(p_period.table_name), p_before
      USING ERRCODE = 'TW007',
            DETAIL = json_build_object('kind', p_kind, 'relation_id', p_period.relation_id, 'before', p_before, 'from', p_from,
                                        'to', least(p_to, p_before)),
            HINT = 'Ask with `pgtimewarp asof`, `diff`, `export`, `changes`, `find`, `transactions` or `transaction`, or over HTTP of `pgtimewarp serve`: these read the archive. For other questions see `pgtimewarp archive sql`.';
  END IF;
  RETURN part;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.archived_part(json, pgtimewarp.relation_periods, pg_lsn, pg_lsn, pg_lsn, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.archived_part(json, pgtimewarp.relation_periods, pg_lsn, pg_lsn, pg_lsn, text, text)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
