-- What is known so far of a partition that is new, until it is judged whether it came with rows.
ALTER TABLE pgtimewarp.relation_leaves
  ADD first_change_lsn pg_lsn, -- of its changes since it was first seen
  ADD changed_unheard boolean NOT NULL DEFAULT false, -- a row was updated or deleted of which the log had not told before
  ADD attached_at jsonb NOT NULL DEFAULT '{}', -- by transaction that attached it: {lsn, exactly}; otherwise at the latest
  ADD judged_upto text[]; -- its rows have been judged up to this key
