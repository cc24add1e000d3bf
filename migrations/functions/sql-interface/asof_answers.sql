-- The view that SQL on a source reads through postgres_fdw: `WHERE question = '{…}'`. See answer_asof().
CREATE OR REPLACE VIEW pgtimewarp.asof_answers AS
  SELECT a.question, a.answer FROM pgtimewarp.answer_asof() a;

GRANT SELECT ON pgtimewarp.asof_answers TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
