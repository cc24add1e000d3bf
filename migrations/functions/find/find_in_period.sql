-- The versions of one period that have values and are valid at a moment between two positions, both included: see find_rows(). Of a
-- transaction that changed a row several times the last version counts.
-- With p_part, which has the versions of an interval of keys (archived_part()), it returns those of these keys. The key of the last row
-- received may have further versions; its text without the last bracket sorts directly before it.
-- The relation stands in the text of the statements (docs/decisions/0024-own-locks.md).
CREATE OR REPLACE FUNCTION pgtimewarp.find_in_period(
  p_period pgtimewarp.relation_periods, p_lower pg_lsn, p_upper pg_lsn, p_through pg_lsn, p_filters pgtimewarp.row_filter[],
  p_after_pk text, p_after_lsn pg_lsn, p_after_seq int, p_limit int, p_max_bytes bigint, p_part json DEFAULT NULL)
RETURNS SETOF pgtimewarp.found_version
LANGUAGE plpgsql STABLE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
DECLARE
  chunk CONSTANT int := 1000;
  relation int := p_period.relation_id;
  keys text[];
  at_pk text := p_after_pk;
  v record;
  found pgtimewarp.found_version;
  given int := 0;
  bytes bigint := 0;
  is_first boolean := true;
  versions text; -- each with the next one, n
BEGIN
  IF p_part IS NULL THEN
    versions := 'FROM unnest($1) WITH ORDINALITY AS k (pk, place)
        CROSS JOIN LATERAL (
              (SELECT c.* FROM pgtimewarp.row_changes AS c
                WHERE c.relation_id = %1$s AND c.pk = k.pk COLLATE "C" AND c.valid_from_lsn <= $2
                ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1)
              UNION ALL
              (SELECT c.* FROM pgtimewarp.row_changes AS c
                WHERE c.relation_id = %1$s AND c.pk = k.pk COLLATE "C" AND c.valid_from_lsn > $2 AND c.valid_from_lsn <= $3)) AS r
         LEFT JOIN LATERAL (
              SELECT c.valid_from_lsn AS lsn, c.seq, c.valid_from_ts AS ts, c.xid, c.op FROM pgtimewarp.row_changes AS c
               WHERE c.relation_id = %1$s AND c.pk = r.pk AND c.valid_from_lsn >= r.valid_from_lsn
                 AND (c.valid_from_lsn, c.seq) > (r.valid_from_lsn, r.seq)
               ORDER BY c.valid_from_lsn, c.seq LIMIT 1) AS n ON true';
  ELSE
    versions := 'FROM (SELECT s.*, lead(s.valid_from_lsn) OVER w AS n_lsn, lead(s.seq) OVER w AS n_seq,
                    lead(s.valid_from_ts) OVER w AS n_ts, lead(s.xid) OVER w AS n_xid
               FROM ' || pgtimewarp.changes_source(relation, p_part) || ' AS s
              WHERE s.relation_id = %1$s AND s.pk > $5 AND (s.pk <= $6 OR $6 IS NULL)
             WINDOW w AS (PARTITION BY s.pk ORDER BY s.valid_from_lsn, s.seq)) AS r
        CROSS JOIN LATERAL (SELECT r.n_lsn AS lsn, r.n_seq AS seq, r.n_ts AS ts, r.n_xid AS xid) AS n
        CROSS JOIN LATERAL (SELECT r.pk, 1 AS place) AS k';
  END IF;
  found.relation_id := relation;
  LOOP
    -- the key of the last row received may have further versions
    IF p_part IS NULL THEN
      EXECUTE format(
        'SELECT array_agg(k.pk ORDER BY k.pk) FROM (
           SELECT DISTINCT c.pk FROM pgtimewarp.row_changes AS c
            WHERE c.relation_id = %s AND c.valid_from_lsn <= $1%s ORDER BY c.pk LIMIT %s) AS k', relation,
        CASE WHEN at_pk IS NULL THEN '' WHEN is_first AND p_after_lsn IS NOT NULL THEN ' AND c.pk >= $2' ELSE ' AND c.pk > $2' END, chunk)
        INTO keys USING p_upper, at_pk;
      EXIT WHEN keys IS NULL;
    END IF;
    is_first := false;
    FOR v IN EXECUTE format(
      'SELECT r.pk, r.valid_from_lsn AS lsn, r.seq, r.valid_from_ts AS ts, r.xid, r.row_data, r.json_nulls, r.incomplete, r.nulls_assumed,
              CASE WHEN (e.lsn, e.seq) < (n.lsn, n.seq) OR n.lsn IS NULL THEN e.lsn ELSE n.lsn END AS to_lsn,
              CASE WHEN (e.lsn, e.seq) < (n.lsn, n.seq) OR n.lsn IS NULL THEN e.ts ELSE n.ts END AS to_ts,
              CASE WHEN (e.lsn, e.seq) < (n.lsn, n.seq) OR n.lsn IS NULL THEN e.xid ELSE n.xid END AS to_xid
         ' || versions || '
         LEFT JOIN LATERAL (
              SELECT t.lsn, t.seq, t.ts, t.xid FROM pgtimewarp.truncates_after(%1$s, r.valid_from_lsn, r.seq, r.op, r.leaf_id) AS t
               ORDER BY t.lsn, t.seq LIMIT 1) AS e ON true
        WHERE r.valid_from_lsn <= $3 AND (r.valid_from_lsn > $2 OR n.lsn IS NULL OR n.lsn > $2)
          AND r.op <> ''D'' AND (r.op <> ''S'' OR r.read_lsn <= $4 AND (n.lsn IS NULL OR n.lsn > r.read_lsn))
        ORDER BY k.place, r.pk, r.valid_from_lsn, r.seq', relation)
      USING keys, p_lower, p_upper, p_through, coalesce(CASE WHEN p_after_lsn IS NULL THEN p_after_pk ELSE left(p_after_pk, -1) END, ''), p_part -> 'keys' ->> 'upto'
    LOOP
      -- over before the first moment, or within its own transaction
      CONTINUE WHEN v.to_lsn <= p_lower OR v.to_lsn = v.lsn
        OR v.pk = p_after_pk AND p_after_lsn IS NOT NULL AND (v.lsn, v.seq) <= (p_after_lsn, p_after_seq)
        OR NOT pgtimewarp.row_matches(v.row_data, v.json_nulls, v.incomplete, v.lsn, p_filters);
      found.pk := v.pk; found.lsn := v.lsn; found.seq := v.seq; found.ts := v.ts; found.xid := v.xid;
      found.to_lsn := v.to_lsn; found.to_ts := v.to_ts; found.to_xid := v.to_xid; found.row_data := v.row_data;
      found.incomplete := pgtimewarp.incomplete_at(relation, v.incomplete, NULL, v.ts);
      found.assumes := CASE WHEN v.nulls_assumed THEN 'no-nan' END;
      RETURN NEXT found;
      given := given + 1;
      bytes := bytes + octet_length(v.row_data::text);
      IF given >= p_limit OR bytes > p_max_bytes THEN
        RETURN;
      END IF;
    END LOOP;
    EXIT WHEN p_part IS NOT NULL OR cardinality(keys) < chunk;
    at_pk := keys[cardinality(keys)];
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.find_in_period(pgtimewarp.relation_periods, pg_lsn, pg_lsn, pg_lsn, pgtimewarp.row_filter[], text, pg_lsn, int, int, bigint, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.find_in_period(pgtimewarp.relation_periods, pg_lsn, pg_lsn, pg_lsn, pgtimewarp.row_filter[], text, pg_lsn, int, int, bigint, json)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
