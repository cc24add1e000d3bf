/**
 * A page of a diff, with the same text from the command line and from HTTP. The texts of rows come from the store, so the document
 * is put together as text, and its schema only describes it.
 */
import * as z from 'zod';
import type { DiffChange, DiffPage } from '../core/query/diff.ts';
import { Assumes, Operation, Reason, Row, Tier } from './answer.ts';
import { listText, objectText, pointText, quote, type Texts } from './text-members.ts';
import { Lsn, Point, Text, Time } from './values.ts';

export const ChangedValue = z.object({ from: z.unknown(), to: z.unknown() });
export const Change = z.object({
  op: Operation,
  lsn: Lsn,
  ts: Time,
  xid: Text.nullable(),
  row: Row.nullable(),
  changed: z.record(z.string(), ChangedValue).nullable(),
  context: z.unknown(),
  incomplete: z
    .array(Text)
    .optional()
    .meta({ description: 'columns whose values are missing in the row, although the table had them' }),
  assumes: Assumes.optional(),
  omitted: z
    .array(z.enum(['changed', 'row']))
    .optional()
    .meta({ description: 'members that are null because their value does not fit into a response' }),
});
export const UnknownInterval = z.object({ from: Time.nullable(), to: Time.nullable(), reason: Reason });
export const Diff = z.object({
  changes: z.array(Change),
  unknown: z.array(UnknownInterval),
  from: Text.nullable(),
  to: Text.nullable(),
  horizon: Point.nullable(),
  final: z.boolean(),
  tier: Tier.optional(),
  next_cursor: Text.optional().meta({ description: 'only if another page follows' }),
});

/** `next_cursor` only when another page follows. */
export function diffPageText(page: DiffPage): string {
  const members: Texts<typeof Diff> = {
    changes: listText(page.changes.map(changeText)),
    unknown: page.unknownText,
    from: quote(page.from),
    to: quote(page.to),
    horizon: pointText(page.horizon),
    final: `${page.final}`,
    tier: page.tier && quote(page.tier),
    next_cursor: page.nextCursor === null ? undefined : quote(page.nextCursor),
  };
  return objectText(members);
}

function changeText(change: DiffChange): string {
  const { incomplete, assumes, omitted } = change;
  const members: Texts<typeof Change> = {
    op: quote(change.op),
    lsn: quote(change.lsn),
    ts: quote(change.ts),
    xid: quote(change.xid),
    row: `${change.rowText}`,
    changed: `${change.changedText}`,
    context: `${change.contextText}`,
    incomplete: incomplete && JSON.stringify(incomplete),
    assumes: assumes && quote(assumes),
    omitted: omitted && JSON.stringify(omitted),
  };
  return objectText(members);
}
