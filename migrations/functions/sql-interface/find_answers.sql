-- The view that SQL on a source reads through postgres_fdw: `WHERE question = '{…}'`. See answer_find().
CREATE OR REPLACE VIEW pgtimewarp.find_answers AS
  SELECT a.question, a.place, a.frame, a.pk, a.valid_from_lsn, a.valid_from_ts, a.valid_from_xid, a.valid_to_lsn, a.valid_to_ts,
         a.valid_to_xid, a.row_data, a.incomplete, a.assumes
    FROM pgtimewarp.answer_find() AS a;

GRANT SELECT ON pgtimewarp.find_answers TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
