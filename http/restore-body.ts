/** Reads the body of a request for a restore plan: what is to be undone, in one of five forms. */
import * as z from 'zod';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { readExactJson } from './exact-body.ts';
import { check } from './request-input.ts';
import { Instant, TableSegment } from './schemas.ts';

const MAX_PLANNED_ROWS = 10_000;
/** The most transactions of a plan. */
export const MAX_TRANSACTIONS = 100;

const OPTIONS = {
  skip_conflicts: z
    .boolean()
    .default(false)
    .meta({ description: 'the script leaves out rows that are in conflict; otherwise it changes nothing' }),
  no_triggers: z
    .boolean()
    .default(false)
    .meta({ description: 'the script leaves out the triggers of the tables, and needs their owner' }),
  defaults: z
    .boolean()
    .default(false)
    .meta({ description: 'rows that are inserted get the defaults of columns whose values are not known' }),
  max_rows: z
    .int()
    .min(1)
    .max(MAX_PLANNED_ROWS)
    .default(MAX_PLANNED_ROWS)
    .meta({ description: 'more changes than this are refused' }),
  lock_timeout_seconds: z
    .int()
    .min(1)
    .max(3600)
    .default(10)
    .meta({ description: 'how long the script waits for each lock' }),
};

const TableText = TableSegment.meta({
  ...TableSegment.meta(),
  description: 'schema.table as in the catalog; a name with a dot in double quotes',
});
const InstantText = Instant.meta({
  ...Instant.meta(),
  description: 'RFC 3339 with an offset, or an LSN',
});
const CASCADE = {
  cascade: z.boolean().default(false).meta({
    description:
      'later transactions of the same rows are undone as well; for callers who may read the whole node',
  }),
};

const value = z.string().meta({ pattern: '^[^\\u0000]*$' });
const named = <T extends z.ZodType>(values: T) => z.record(z.string().min(1), values);

const OfTransactions = z.strictObject({
  transactions: z
    .array(
      z
        .string()
        .regex(
          /^(?:[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}|[1-9]\d{0,19})$/,
          'must be a commit LSN or the number of a transaction',
        ),
    )
    .min(1)
    .max(MAX_TRANSACTIONS)
    .meta({ description: 'commit LSNs or numbers', examples: [['0/16B3748']] }),
  ...CASCADE,
  ...OPTIONS,
});
const OfActor = z.strictObject({
  by: named(value).meta({
    minProperties: 1,
    description: `what the transactions said about themselves; at most ${MAX_TRANSACTIONS} are undone`,
    examples: [{ 'user.id': '7' }],
  }),
  from: InstantText,
  to: InstantText.optional(),
  ...CASCADE,
  ...OPTIONS,
});
const PAST = { table: TableText, at: InstantText };
const OfRow = z.strictObject({
  ...PAST,
  pk: z
    .unknown()
    .refine((pk) => pk !== undefined && pk !== null, 'is missing')
    .meta({
      type: ['string', 'number', 'object'],
      description: 'the key: a JSON object with every key column, or the bare value of a one-column key',
      examples: [42],
    }),
  ...OPTIONS,
});
const OfValues = z.strictObject({
  ...PAST,
  where: named(value.nullable()).meta({
    minProperties: 1,
    description: 'rows that have these values at the instant or now; null: NULL',
    examples: [{ customer: '7' }],
  }),
  ...OPTIONS,
});
const OfTable = z.strictObject({ ...PAST, all: z.literal(true), ...OPTIONS });

export const RestorePlanBody = z.union([OfTransactions, OfActor, OfRow, OfValues, OfTable]).meta({
  description:
    'undo transactions, everything that an actor did, or all that happened to one row, to rows with values, or to all rows of a table since an instant',
});

export type RestoreTarget = z.output<typeof RestorePlanBody>;

/** By the member that only this form has. */
const FORMS: readonly (readonly [string, z.ZodType<RestoreTarget>])[] = [
  ['transactions', OfTransactions],
  ['by', OfActor],
  ['pk', OfRow],
  ['where', OfValues],
  ['all', OfTable],
];

/** A number in `pk` keeps its digits. Throws BAD_FLAGS with the first mistake. */
export function readRestoreBody(body: ArrayBuffer): RestoreTarget {
  const given = readExactJson(body, 'pk');
  const form = FORMS.filter(([name]) => Object.hasOwn(Object(given), name));
  if (form.length !== 1)
    throw badBody(
      'The body says in one way what to undo: transactions, by, or table and at with pk, where or all.',
    );
  const [[name, schema]] = form as [(typeof FORMS)[number]];
  if (name === 'by' || name === 'where') requireTexts((given as Record<string, unknown>)[name]);
  return check(schema, given);
}

/** Throws BAD_FLAGS for names and values that no transaction and no row has. */
function requireTexts(named: unknown): void {
  const entries = Object.entries(Object(named) as Record<string, unknown>);
  // zod leaves out a member of this name, which would ask another question
  if (entries.some(([name]) => name === '__proto__')) throw badBody('A name must not be __proto__.');
  if (entries.length === 0) throw badBody('A name and a value are missing.');
  if (entries.flat().some((text) => typeof text === 'string' && text.includes('\0')))
    throw badBody('A text must not have U+0000.');
}

function badBody(message: string): TimewarpError {
  return new TimewarpError('BAD_FLAGS', message, { remedy: 'See /openapi.json.' });
}
