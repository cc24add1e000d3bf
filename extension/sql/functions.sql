-- Every kind of answer.
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:20Z');
SELECT pgtimewarp_asof_pk('t', '{"id": "1"}', '2026-01-01 00:00:35Z', 'h1');
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:40Z') IS NULL AS deleted;
SELECT pgtimewarp_asof_lsn_pk('t', '1', '0/1E00');
SELECT pgtimewarp_asof_answer_pk('t', '1', '2026-01-01 00:00:45Z');
SELECT * FROM pgtimewarp_asof_row(NULL::t, '1', '2026-01-01 00:00:35Z');
SELECT * FROM pgtimewarp_diff_pk('t', '1', '2026-01-01 00:00:15Z', '2026-01-01 00:00:50Z');
SELECT * FROM pgtimewarp_horizon();
SELECT node, status, tables, open_gaps FROM pgtimewarp_status();
SELECT pgtimewarp_set_context('{"user": "ada"}');
-- Beyond the horizon; holes inside.
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 01:00:00Z') IS NULL AS deleted;
SELECT op FROM pgtimewarp_diff_pk('t', '1', '2026-01-01 00:00:35Z', '2026-01-01 00:01:30Z');
-- Errors.
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:05Z');
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:01:05Z');
\set VERBOSITY sqlstate
SELECT pgtimewarp_asof_pk('t', '{"nr": 1}', '2026-01-01 00:00:20Z');
SELECT pgtimewarp_asof_pk('pg_class', '1', '2026-01-01 00:00:20Z');
SELECT pgtimewarp_asof_pk('t', '1', '2026-01-01 00:00:20Z', 'nope');
SELECT pgtimewarp_asof_pk('t', '1', NULL);
