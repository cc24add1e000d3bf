-- History is no easier to read than the table.
\set SHOW_CONTEXT never
CREATE ROLE installcheck_user;
SET ROLE installcheck_user;
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:20Z');
RESET ROLE;
GRANT EXECUTE ON FUNCTION pgtimewarp_asof_pk TO installcheck_user;
SET ROLE installcheck_user;
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:20Z');
RESET ROLE;
GRANT SELECT (id) ON t TO installcheck_user;
SET ROLE installcheck_user;
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:20Z');
SET pgtimewarp.columns = visible;
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:20Z');
RESET ROLE;
GRANT SELECT ON t TO installcheck_user;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
SET ROLE installcheck_user;
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:20Z');
RESET ROLE;
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:20Z');
