-- The view that SQL on a source reads through postgres_fdw: `WHERE question = '{…}'`. See answer_changes().
CREATE OR REPLACE VIEW pgtimewarp.changes_answers AS
  SELECT a.question, a.place, a.frame, a.schema_name, a.table_name, a.pk, a.op, a.lsn, a.ts, a.xid, a.context, a.before, a.after,
         a.changed, a.incomplete, a.assumes
    FROM pgtimewarp.answer_changes() AS a;

GRANT SELECT ON pgtimewarp.changes_answers TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
