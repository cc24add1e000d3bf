-- Which rows of a period already have the present names of the columns. p_columns is {"number": "name"} of the present table.
--   settled_lsn  rows written after this position have the present names. NULL: it is not known of any row
--   added        columns that were added later: older rows have the present names too, unless they have a member of such a name
--   added_since  the position at which each of them was added
-- Other rows get their names from with_names().
CREATE OR REPLACE FUNCTION pgtimewarp.past_names(
  p_period pgtimewarp.relation_periods, p_relid oid, p_columns jsonb,
  OUT settled_lsn pg_lsn, OUT added text[], OUT added_since pg_lsn[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pgtimewarp.tracked_relations t
                  WHERE t.relation_id = p_period.relation_id AND t.relid = p_relid)
     -- renamed, or exchanged, since the last run
     OR EXISTS (SELECT FROM jsonb_each_text(p_columns) AS w
                  JOIN jsonb_array_elements(p_period.columns) AS c (facts) ON c.facts ->> 'attnum' = w.key
                 WHERE c.facts ->> 'name' <> w.value) THEN
    RETURN;
  END IF;
  SELECT coalesce(max(greatest((c.facts ->> 'since_lsn')::pg_lsn, f.until)) FILTER (WHERE c.facts ? 'former_names'), '0/0'),
         coalesce(array_agg(c.facts ->> 'name' ORDER BY c.facts ->> 'attnum') FILTER (WHERE is_added), '{}'),
         coalesce(array_agg((c.facts ->> 'since_lsn')::pg_lsn ORDER BY c.facts ->> 'attnum') FILTER (WHERE is_added), '{}')
    INTO settled_lsn, added, added_since
    FROM jsonb_array_elements(p_period.columns) AS c (facts)
   CROSS JOIN LATERAL (
         SELECT NOT c.facts ? 'former_names' AND (c.facts ->> 'since_lsn')::pg_lsn > '0/0' AS is_added) AS a
   CROSS JOIN LATERAL (
         SELECT max((n.was ->> 'until_lsn')::pg_lsn) AS until
           FROM jsonb_array_elements(coalesce(c.facts -> 'former_names', '[]')) AS n (was)) AS f;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.past_names(pgtimewarp.relation_periods, oid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.past_names(pgtimewarp.relation_periods, oid, jsonb)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
