-- The view that SQL on a source reads through postgres_fdw: `WHERE question = '{…}'`. See answer_diff().
CREATE OR REPLACE VIEW pgtimewarp.diff_answers AS
  SELECT d.question, d.place, d.frame, d.op, d.valid_from_ts, d.valid_from_lsn, d.xid, d.row_data, d.changed, d.context
    FROM pgtimewarp.answer_diff() d;

GRANT SELECT ON pgtimewarp.diff_answers TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
