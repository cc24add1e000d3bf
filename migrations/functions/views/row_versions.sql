-- Every version of every key as an interval, with the columns that it lacks, including virtual columns that existed while it was
-- valid. Baseline rows that a later change contradicts, or may still contradict, are left out. A period of which a part is in the
-- archive alone is refused (TW007). With node, table and key given it is an index read.
CREATE OR REPLACE VIEW pgtimewarp.row_versions AS
  SELECT v.node_id, v.schema_name, v.table_name, v.pk, v.op, v.row_data, v.xid, v.seq,
         v.valid_from_lsn, v.valid_to_lsn, v.valid_from_ts, v.valid_to_ts,
         CASE WHEN v.op <> 'D' THEN nullif(coalesce(v.incomplete, '{}') || ARRAY(
           SELECT DISTINCT c.column_name FROM pgtimewarp.virtual_columns c
            WHERE c.relation_id = v.relation_id AND (c.column_name = ANY (v.incomplete)) IS NOT TRUE
              AND (v.valid_to_ts IS NULL OR c.from_ts < v.valid_to_ts)
              AND (c.to_ts IS NULL OR v.valid_from_ts <= c.to_ts)
            ORDER BY 1), '{}') END AS incomplete
    FROM (
  SELECT p.relation_id, p.node_id, p.schema_name, p.table_name, r.pk, r.op, r.row_data, r.xid, r.seq, r.incomplete,
         r.valid_from_lsn,
         CASE WHEN cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq))
              THEN cut.lsn ELSE nxt.lsn END AS valid_to_lsn,
         r.valid_from_ts,
         CASE WHEN cut.lsn IS NOT NULL AND (nxt.lsn IS NULL OR (cut.lsn, cut.seq) < (nxt.lsn, nxt.seq))
              THEN cut.ts ELSE nxt.ts END AS valid_to_ts
    FROM pgtimewarp.relation_periods p
    JOIN pgtimewarp.wal_checkpoints c ON c.node_id = p.node_id
    JOIN pgtimewarp.row_changes r ON r.relation_id = p.relation_id
    LEFT JOIN LATERAL (
         SELECT n.valid_from_lsn AS lsn, n.seq, n.valid_from_ts AS ts FROM pgtimewarp.row_changes n
          WHERE n.relation_id = r.relation_id AND n.pk = r.pk
            AND (n.valid_from_lsn, n.seq) > (r.valid_from_lsn, r.seq)
          ORDER BY n.valid_from_lsn, n.seq LIMIT 1) nxt ON true
    LEFT JOIN LATERAL (
         SELECT e.lsn, e.seq, e.ts
           FROM pgtimewarp.truncates_after(r.relation_id, r.valid_from_lsn, r.seq, r.op, r.leaf_id) e
          WHERE r.op <> 'D'
          ORDER BY e.lsn, e.seq LIMIT 1) cut ON true
   WHERE pgtimewarp.refuse_archived(p.relation_id, p.tracked_from_lsn)
     AND (r.op <> 'S'
      OR (nxt.lsn IS NULL OR nxt.lsn > r.read_lsn)
         AND r.read_lsn <= CASE WHEN p.tracked_to_lsn IS NULL AND p.lsn_space = c.lsn_space
                                THEN c.applied_lsn ELSE p.tracked_to_lsn END)) v;

GRANT SELECT ON pgtimewarp.row_versions TO pgtimewarp_reader, pgtimewarp_writer, pgtimewarp_admin;
