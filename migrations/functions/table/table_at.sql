-- What is known of all rows of a table at an instant: where the instant lies (see position_at()), and which rows are not known.
--
--   reason         why nothing is known of the table there, as in position_at(); NULL: its rows can be read by table_rows()
--   unread         the number of rows that were there, as later changes show, and that no run had read in time. NULL: unknown, because
--                  the rows of the beginning were not all read
--   unread_reason  why such rows are unknown: baseline_pending (runs are still reading), otherwise before_tracking
--   virtual        the virtual generated columns of that time, whose values no row has
--   final          whether later runs cannot change this
--
-- With p_may_be_archived the position may lie before the archive's cutoff, archived_before_lsn: then the archive has the rows. Those that no
-- run had read were counted when the cutoff moved first.
--
-- Rows whose last version is a baseline row that may be outdated are not counted here: table_rows() returns them as unknown.
CREATE OR REPLACE FUNCTION pgtimewarp.table_at(
  p_node_id text, p_schema text, p_table text, p_at_ts timestamptz, p_at_lsn pg_lsn,
  p_may_be_archived boolean DEFAULT false)
RETURNS TABLE (relation_id int, lsn_space int, lsn pg_lsn, through pg_lsn, reason text, unread bigint, unread_reason text,
               virtual text[], final boolean, horizon_lsn pg_lsn, horizon_ts timestamptz, expired_before_ts timestamptz,
               columns jsonb, pk_columns text[], excluded_columns text[], archived_before_lsn pg_lsn)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  at pgtimewarp.history_position;
  period pgtimewarp.relation_periods;
BEGIN
  at := pgtimewarp.position_at(p_node_id, p_schema, p_table, p_at_ts, p_at_lsn, p_may_be_archived);
  period := at.period;
  relation_id := period.relation_id; lsn_space := at.lsn_space; lsn := at.lsn; through := at.through; reason := at.reason;
  final := at.final; horizon_lsn := at.horizon_lsn; horizon_ts := at.horizon_ts; expired_before_ts := at.expired_before_ts;
  columns := period.columns; pk_columns := period.pk_columns; excluded_columns := period.excluded_columns;
  archived_before_lsn := at.archived_before_lsn;
  virtual := coalesce(pgtimewarp.incomplete_at(period.relation_id, NULL, at.asked_lsn, at.asked_ts), '{}');
  IF reason IS NULL THEN
    IF period.baseline_state = 'pending' AND at.is_open THEN
      unread_reason := 'baseline_pending'; final := false;
    ELSIF period.baseline_state <> 'done' OR lsn < period.unseen_unknown_before_lsn THEN
      unread_reason := 'before_tracking';
    ELSE
      IF archived_before_lsn IS NOT NULL THEN
        unread := (SELECT count(*) FROM pgtimewarp.archive_cutoffs AS a CROSS JOIN unnest(a.unread_lsns) AS u (lsn)
                    WHERE a.relation_id = period.relation_id AND u.lsn > at.lsn);
      ELSE
        -- the first known change of such a row is an update or a deletion after the instant
        EXECUTE format(
          'SELECT count(*) FROM pgtimewarp.row_changes AS r
            WHERE r.relation_id = %1$s AND r.valid_from_lsn > $1 AND r.valid_from_lsn <= $2 AND r.op IN (''U'', ''D'')
              AND NOT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                               WHERE c.relation_id = %1$s AND c.pk = r.pk
                                 AND (c.valid_from_lsn, c.seq) < (r.valid_from_lsn, r.seq))', relation_id)
           INTO unread USING lsn, period.baseline_lsn;
      END IF;
      unread_reason := CASE WHEN unread > 0 THEN 'before_tracking' END;
    END IF;
  END IF;
  RETURN NEXT;
END $$;

REVOKE ALL ON FUNCTION pgtimewarp.table_at(text, text, text, timestamptz, pg_lsn, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgtimewarp.table_at(text, text, text, timestamptz, pg_lsn, boolean)
   TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
