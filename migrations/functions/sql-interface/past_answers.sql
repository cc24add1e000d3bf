-- The view that SQL on a source reads through postgres_fdw: `WHERE question = '{…}'`. See answer_past().
CREATE OR REPLACE VIEW pgtimewarp.past_answers AS
  SELECT p.question, p.frame, p.pk, p.row_data, p.json_nulls, p.is_computed FROM pgtimewarp.answer_past() p;

GRANT SELECT ON pgtimewarp.past_answers TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
