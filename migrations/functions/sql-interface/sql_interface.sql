-- The version of the views in this folder. Raise it when a view changes in a way that functions on a source notice.
CREATE OR REPLACE VIEW pgtimewarp.sql_interface AS SELECT 1 AS version;

GRANT SELECT ON pgtimewarp.sql_interface TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
