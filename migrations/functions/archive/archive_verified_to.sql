-- Up to where all of a period's history is in the archive and verified, exclusive; NULL: nothing is.
CREATE OR REPLACE FUNCTION pgtimewarp.archive_verified_to(p_relation_id int) RETURNS pg_lsn
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT max(u.to_lsn)
    FROM (SELECT a.to_lsn, bool_and(a.state = 'verified') OVER w AND bool_and(a.from_lsn = a.former_lsn) OVER w AS is_whole
            FROM (SELECT b.unit, b.state, b.from_lsn, b.to_lsn, coalesce(lag(b.to_lsn) OVER (ORDER BY b.unit), '0/0') AS former_lsn
                    FROM pgtimewarp.archive_units AS b WHERE b.relation_id = p_relation_id) AS a
          WINDOW w AS (ORDER BY a.unit)) AS u
   WHERE u.is_whole
$$;

REVOKE ALL ON FUNCTION pgtimewarp.archive_verified_to(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.archive_verified_to(int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
