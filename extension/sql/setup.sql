-- The extension, by its update path, and its connection to the store.
SET client_min_messages = warning;
CREATE EXTENSION pgtimewarp VERSION '0.1';
SELECT pgtimewarp_internal.version();
ALTER EXTENSION pgtimewarp UPDATE;
SELECT pgtimewarp_internal.version();
CREATE TABLE t (id int PRIMARY KEY, n int);
\set VERBOSITY sqlstate
SELECT pgtimewarp_asof_pk('t', '1', now());
SELECT pgtimewarp_connect('127.0.0.1', current_setting('port')::int, 'pgtimewarp_installcheck_store',
                          'installcheck_reader', 'installcheck', 'h1');
\dx+ pgtimewarp
