/**
 * A page of a diff, with the same text from the command line and from HTTP. The texts of rows come from the store, so the document
 * is put together as text, and its schema only describes it.
 */
import * as z from 'zod';
import type { DiffChange, DiffPage } from '../core/query/diff.ts';
import { Assumes, Operation, Reason, Row } from './answer.ts';
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
  next_cursor: Text.optional().meta({ description: 'only if another page follows' }),
});

/** The members of a document with the text of each value: exactly those of its schema. undefined: the member is omitted. */
type Texts<S extends z.ZodObject> = Readonly<Record<keyof z.input<S>, string | undefined>>;

/** `next_cursor` only when another page follows. */
export function diffPageText(page: DiffPage): string {
  const horizon = page.horizon && `{"lsn":${quote(page.horizon.lsn)},"ts":${quote(page.horizon.ts)}}`;
  const members: Texts<typeof Diff> = {
    changes: `[${page.changes.map(changeText).join(',')}]`,
    unknown: page.unknownText,
    from: quote(page.from),
    to: quote(page.to),
    horizon: `${horizon}`,
    final: `${page.final}`,
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

function objectText(members: Readonly<Record<string, string | undefined>>): string {
  const texts: string[] = [];
  for (const [name, text] of Object.entries(members)) if (text !== undefined) texts.push(`"${name}":${text}`);
  return `{${texts.join(',')}}`;
}

function quote(text: string | null): string {
  return JSON.stringify(text);
}
