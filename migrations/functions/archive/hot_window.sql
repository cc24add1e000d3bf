-- How long the store keeps the history of a period: the retention or, if archived history is dropped, the hot window of the archive.
-- NULL: for ever.
CREATE OR REPLACE FUNCTION pgtimewarp.hot_window(p_relation_id int) RETURNS interval
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT least((SELECT x.retention FROM pgtimewarp.relation_retention AS x WHERE x.relation_id = p_relation_id),
               (SELECT s.hot
                  FROM pgtimewarp.tracked_relations AS r
                  JOIN pgtimewarp.archive_settings AS s
                    ON s.node_id = r.node_id AND s.schema_name = r.schema_name AND s.table_name = r.table_name
                 WHERE r.relation_id = p_relation_id AND s.is_on AND s.drops))
$$;

REVOKE ALL ON FUNCTION pgtimewarp.hot_window(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.hot_window(int)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
