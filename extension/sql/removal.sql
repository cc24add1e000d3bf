-- Nothing stays behind.
SELECT pgtimewarp_disconnect();
DROP EXTENSION pgtimewarp;
SELECT count(*) FROM pg_proc WHERE proname ~ '^pgtimewarp';
SELECT count(*) FROM pg_foreign_server;
REVOKE ALL ON t FROM installcheck_user;
DROP ROLE installcheck_user;
