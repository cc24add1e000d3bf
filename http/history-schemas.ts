/** The zod schemas of requests about many rows. As in schemas.ts, some patterns are only documentation. */
import * as z from 'zod';
import { xidOf } from '../core/query/transactions.ts';
import { formatLsn, parseLsn } from '../core/types/lsn.ts';
import { parseTableSegment } from '../documents/table-segment.ts';
import { AWAITED, Instant, pageLimit, SHOWN, TableSegment } from './schemas.ts';

/** A commit LSN in a path, where a slash would begin another segment: with a hyphen. */
export const LsnSegment = z
  .string()
  .regex(/^[0-9A-Fa-f]{1,8}-[0-9A-Fa-f]{1,8}$/, 'must be an LSN with a hyphen in place of the slash')
  .transform((text) => formatLsn(parseLsn(text.replace('-', '/'))))
  .meta({ description: 'the commit LSN, with a hyphen in place of the slash', examples: ['0-16B3748'] });

type Named = Readonly<Record<string, string>>;

/**
 * Values by name, one parameter each: `PREFIX.NAME=VALUE`. `readQuery` gathers them; OpenAPI describes them as an object whose members
 * are parameters. zod's own records leave out a member called __proto__, which would ask another question.
 */
const named = (prefix: string, what: { readonly description: string; readonly example: Named }) =>
  z
    .custom<Named>((value) => typeof value === 'object', `is written ${prefix}.NAME=VALUE`)
    .refine((values) => !('' in values), 'a name is missing')
    .refine((values) => !Object.entries(values).flat().join('').includes('\0'), 'must not have U+0000')
    .meta({
      type: 'object',
      minProperties: 1,
      propertyNames: { pattern: `^${prefix}\\.[^\\u0000]+$` },
      additionalProperties: { type: 'string', pattern: '^[^\\u0000]*$' },
      description: what.description,
      examples: [what.example],
    });

/** The JSON Schema of a parameter that is one of {@link named}; null: it is not. */
export function namedSchema(schema: z.ZodType): object | null {
  const inner = schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema;
  const meta = inner.meta();
  return meta?.propertyNames === undefined ? null : meta;
}

const Where = named('where', {
  description:
    'where.COLUMN=VALUE, for one column or several: the row has these values, compared as the type of the column compares',
  example: { 'where.customer': '7' },
});
const NAME = '[^,\\u0000]+';
const columnNames = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .regex(new RegExp(`^${NAME}(,${NAME})*$`), 'must be names of columns with commas between them')
    .transform((text) => text.split(','))
    .meta({ description, examples: [example] });
const Null = columnNames('the row has NULL in these columns', 'paid_at');
const By = named('by', {
  description: 'by.KEY=VALUE: what the transaction said about itself; a key with dots is also a path',
  example: { 'by.user.id': '7' },
});
const Changed = columnNames('updates that changed one of these columns', 'total,status');

const operations = (letters: string, description: string) =>
  z
    .string()
    .regex(new RegExp(`^[${letters}](,[${letters}])*$`), `must be some of ${[...letters].join(',')}`)
    .transform((text) => text.split(','))
    .meta({ description, examples: ['I,D'] });

const Cursor = z
  .string()
  .min(1)
  .meta({ pattern: '^[A-Za-z0-9_-]+$', description: '`next` of the previous page' });
const Xid = z
  .string()
  .regex(/^[1-9]\d{0,19}$/, 'must be the number of a transaction')
  .transform(xidOf)
  .pipe(z.string('must be the number of a transaction'))
  .meta({ description: 'its number, of which the lower 32 bits count: it comes round again' });
const INTERVAL = {
  from: Instant.optional(),
  to: Instant.optional(),
};
const PAGE = { limit: pageLimit('the most in a page'), cursor: Cursor.optional() };

export const TransactionsQuery = z.strictObject({
  ...INTERVAL,
  table: TableSegment.transform(parseTableSegment).optional(),
  by: By.optional(),
  op: operations('IUDT', 'it holds such a change: insert, update, delete, truncate').optional(),
  min_rows: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be a whole number above 0')
    .transform((text) => Number.parseInt(text, 10))
    .pipe(z.int().min(1).max(999_999_999))
    .optional()
    .meta({ description: 'it changed so many rows, or truncated a table' }),
  xid: Xid.optional(),
  ...PAGE,
  ...AWAITED,
  ...SHOWN,
});

const MAX_BUCKETS = 500;
export const ActivityQuery = z.strictObject({
  ...INTERVAL,
  buckets: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number')
    .transform((text) => Number.parseInt(text, 10))
    .pipe(z.int().min(1).max(MAX_BUCKETS))
    .default(60)
    .meta({ description: `into how many intervals of equal length, 1 to ${MAX_BUCKETS}` }),
  ...AWAITED,
});

export const TransactionQuery = z.strictObject({ xid: Xid.optional(), ...PAGE, ...AWAITED, ...SHOWN });

export const ChangesQuery = z.strictObject({
  ...INTERVAL,
  net: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: 'true: one change for each row, from its first state to its last' }),
  where: Where.optional(),
  null: Null.optional(),
  changed: Changed.optional(),
  by: By.optional(),
  op: operations(
    'IUDTS',
    'insert, update, delete, a row that a TRUNCATE removed, found by a repair; with net only I, U and D',
  ).optional(),
  ...PAGE,
  ...AWAITED,
  ...SHOWN,
});

export const FindQuery = z.strictObject({
  where: Where.optional(),
  null: Null.optional(),
  at: Instant.optional(),
  ...INTERVAL,
  ...PAGE,
  ...AWAITED,
  ...SHOWN,
});

export const RowsQuery = z.strictObject({
  at: Instant.optional(),
  where: Where.optional(),
  null: Null.optional(),
  columns: columnNames('only these columns', 'id,total').optional(),
  order: columnNames(
    'the order of these columns, then of keys: numbers, dates and times by value, everything else by its text, NULL last; each page reads the whole table, unless its key is one whole number and the order is that of the key. Without it: the order of the texts of keys',
    'total',
  ).optional(),
  descending: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: 'true: the order backwards; only with `order`' }),
  ...PAGE,
  ...AWAITED,
  ...SHOWN,
});
