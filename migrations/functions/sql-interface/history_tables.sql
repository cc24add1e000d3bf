-- The tables that have a history, by name, with the OID that the last run found under the name. SQL on a source reads it to decide
-- which of them its caller may see.
CREATE OR REPLACE VIEW pgtimewarp.history_tables AS
  SELECT p.node_id, p.schema_name, p.table_name, max(t.relid) AS relid
    FROM pgtimewarp.relation_periods AS p LEFT JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = p.relation_id
   GROUP BY p.node_id, p.schema_name, p.table_name;

GRANT SELECT ON pgtimewarp.history_tables TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
