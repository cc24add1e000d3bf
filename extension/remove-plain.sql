-- Removes a plain installation: the extension's functions in the schema of pgtimewarp_asof_pk(), and their internal schema.
DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN
    SELECT p.oid FROM pg_catalog.pg_proc p
     WHERE p.proname IN ('pgtimewarp_asof_pk', 'pgtimewarp_asof_lsn_pk', 'pgtimewarp_asof_answer_pk', 'pgtimewarp_asof_row',
                         'pgtimewarp_diff_pk', 'pgtimewarp_connect', 'pgtimewarp_disconnect', 'pgtimewarp_set_context',
                         'pgtimewarp_status', 'pgtimewarp_horizon', 'pgtimewarp_transactions', 'pgtimewarp_transaction',
                         'pgtimewarp_changes', 'pgtimewarp_find', 'pgtimewarp_asof_table', 'pgtimewarp_asof_lsn_table')
       AND p.pronamespace = (SELECT a.pronamespace FROM pg_catalog.pg_proc a
                              WHERE a.proname = 'pgtimewarp_asof_pk'
                                AND a.proowner = (SELECT n.nspowner FROM pg_catalog.pg_namespace n
                                                   WHERE n.nspname = 'pgtimewarp_internal'))
  LOOP
    EXECUTE pg_catalog.format('DROP FUNCTION %s', f);
  END LOOP;
  DROP SCHEMA pgtimewarp_internal CASCADE;
END $$;
