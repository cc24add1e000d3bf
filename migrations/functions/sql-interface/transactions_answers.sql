-- The view that SQL on a source reads through postgres_fdw: `WHERE question = '{…}'`. See answer_transactions().
CREATE OR REPLACE VIEW pgtimewarp.transactions_answers AS
  SELECT a.question, a.place, a.frame, a.lsn, a.ts, a.xid, a.context, a.tables, a.rows
    FROM pgtimewarp.answer_transactions() AS a;

GRANT SELECT ON pgtimewarp.transactions_answers TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
