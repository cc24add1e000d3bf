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
-- Many rows.
SELECT * FROM pgtimewarp_transactions('2026-01-01 00:00:15Z', '2026-01-01 00:00:50Z');
SELECT lsn, rows FROM pgtimewarp_transactions(rel => 't', op_ => '{U,D}', from_ts => '2026-01-01 00:00:15Z', limit_ => 1);
SELECT table_name, op, before, after, changed FROM pgtimewarp_transaction('0/1E00');
SELECT * FROM pgtimewarp_changes('t', '2026-01-01 00:00:15Z', '2026-01-01 00:00:50Z');
SELECT op, before, after FROM pgtimewarp_changes('t', '2026-01-01 00:00:25Z', '2026-01-01 00:00:50Z', net => true);
SELECT op, lsn FROM pgtimewarp_changes('t', '2026-01-01 00:00:15Z', '2026-01-01 00:00:50Z', where_ => '{"id": "1"}', op_ => '{U}');
SELECT * FROM pgtimewarp_find('t', '{"id": 1}', at => '2026-01-01 00:00:25Z');
SELECT pk, valid_to_lsn FROM pgtimewarp_find('t', '{"id": "1"}', from_ts => '2026-01-01 00:00:15Z', to_ts => '2026-01-01 00:00:50Z');
-- Beyond the horizon; holes inside.
SELECT count(*) FROM pgtimewarp_changes('t', '2026-01-01 00:00:05Z', '2026-01-01 01:00:00Z');
SELECT count(*) FROM pgtimewarp_transactions('2026-01-01 00:00:35Z', '2026-01-01 01:00:00Z');
SET pgtimewarp.answers = complete;
SELECT count(*) FROM pgtimewarp_changes('t', '2026-01-01 00:00:05Z', '2026-01-01 00:00:50Z');
SELECT count(*) FROM pgtimewarp_changes('t', '2026-01-01 00:01:15Z', '2026-01-01 01:00:00Z');
RESET pgtimewarp.answers;
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
SELECT count(*) FROM pgtimewarp_changes('t', where_ => '{"nr": 1}');
SELECT count(*) FROM pgtimewarp_changes('t', by_ => '{"user": null}');
SELECT count(*) FROM pgtimewarp_changes('t', now(), from_lsn => '0/1');
