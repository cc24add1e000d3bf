/** What a restore would change, or changed. Texts of rows are put in as they are, like the answers about many rows. */
import * as z from 'zod';
import type { RestoreConflict, RestoreResult, WrittenTable } from '../core/restore/restore-result.ts';
import { listText, objectText, quote, type Texts } from './text-members.ts';
import { Lsn, Text, Time } from './values.ts';

const Count = z.int().min(0);
export const RestoreTable = z.object({
  schema: Text,
  table: Text,
  inserts: Count,
  updates: Count,
  deletes: Count,
});
export const RestoreConflictOf = z.object({
  schema: Text,
  table: Text,
  pk: z.record(z.string(), z.string()),
  reason: z.enum(['later_change', 'key_reused', 'changed_since', 'gone', 'exists_now']),
  expected: z.record(z.string(), Text.nullable()).nullable(),
  found: z.record(z.string(), Text.nullable()).nullable(),
});
export const RestoreRefusal = z.object({ schema: Text, table: Text, reason: Text, message: Text });
const TakenAlong = z.object({ lsn: Lsn, ts: Time, rows: Count });
export const Restore = z.object({
  id: Text,
  applied: z.boolean(),
  lsn: Lsn.nullable().meta({ description: 'the commit of the restore: what to undo to undo it' }),
  of: z.array(Lsn).meta({ description: 'the transactions that are undone' }),
  taken_along: z.array(TakenAlong).meta({ description: 'those of them that --cascade added, newest first' }),
  as_of: Text.nullable().meta({ description: 'the instant whose rows are put back' }),
  source_asked: z.boolean().meta({
    description:
      'whether tables and rows were looked at on the source; if not, the script does it when it runs, and `conflicts` are those that the history shows',
  }),
  tables: z.array(RestoreTable),
  conflicts: z.array(RestoreConflictOf),
  refused: z.array(RestoreRefusal),
  notes: z.array(Text),
  sql: Text.nullable(),
});

export function restoreText(result: RestoreResult): string {
  const members: Texts<typeof Restore> = {
    id: quote(result.id),
    applied: `${result.isApplied}`,
    lsn: quote(result.lsn),
    of: JSON.stringify(result.of),
    taken_along: listText(result.takenAlong.map(takenAlongText)),
    as_of: quote(result.asOf),
    source_asked: `${result.isSourceAsked}`,
    tables: listText(result.tables.map(tableText)),
    conflicts: listText(result.conflicts.map(conflictText)),
    refused: JSON.stringify(result.refused),
    notes: JSON.stringify(result.notes),
    sql: quote(result.sql),
  };
  return objectText(members);
}

function takenAlongText({ lsn, ts, rows }: RestoreResult['takenAlong'][number]): string {
  const members: Texts<typeof TakenAlong> = { lsn: quote(lsn), ts: quote(ts), rows };
  return objectText(members);
}

function tableText({ schema, table, inserts, updates, deletes }: WrittenTable): string {
  const members: Texts<typeof RestoreTable> = {
    schema: quote(schema),
    table: quote(table),
    ...{ inserts, updates, deletes },
  };
  return objectText(members);
}

function conflictText(conflict: RestoreConflict): string {
  const members: Texts<typeof RestoreConflictOf> = {
    schema: quote(conflict.schema),
    table: quote(conflict.table),
    pk: conflict.pkText,
    reason: quote(conflict.reason),
    expected: `${conflict.expectedText}`,
    found: `${conflict.foundText}`,
  };
  return objectText(members);
}
