/**
 * The zod schemas of requests. The app checks requests with them. The OpenAPI document is generated from them and from the schemas
 * of the responses (documents/). Some patterns are only documentation (`.meta({ pattern })`): there the parser checks the value,
 * because its messages are better.
 */
import * as z from 'zod';
import { MAX_AWAIT_MS } from '../core/query/await-horizon.ts';
import { INSTANT_TEXT } from '../core/query/instant.ts';
import { LSN_TEXT, parseLsn } from '../core/types/lsn.ts';
import { SEGMENT } from '../documents/table-segment.ts';

export const TableSegment = z
  .string()
  .min(1)
  .meta({
    pattern: SEGMENT.source,
    description: 'schema.table as in the catalog, percent-encoded; a name with a dot in double quotes',
    examples: ['public.orders', 'public."v1.orders"'],
  });
const Pk = z
  .string()
  .min(1)
  .meta({
    pattern: '^[^\\u0000]+$',
    description: 'the key: a JSON object with every key column, or the bare value of a one-column key',
    examples: ['42', '{"region":"eu","id":"7"}'],
  });
export const Instant = z
  .string()
  .min(1)
  .meta({
    pattern: INSTANT_TEXT.source,
    description: 'RFC 3339 with an offset (percent-encode the +), or an LSN',
    examples: ['2026-01-31T09:41:00Z', '0/16B3748'],
  });

/** Of a question that can wait for the horizon. */
export const AWAITED = {
  await_lsn: z
    .string()
    .regex(LSN_TEXT, 'must be an LSN')
    .transform(parseLsn)
    .optional()
    .meta({
      description:
        'answer only after the node has reached this position: with it you can read your own writes',
      examples: ['0/16B3748'],
    }),
  await_seconds: z
    .string()
    .regex(/^\d{1,2}$/, 'must be a whole number')
    .transform((text) => Number.parseInt(text, 10))
    .pipe(
      z
        .int()
        .min(0)
        .max(MAX_AWAIT_MS / 1000),
    )
    .default(MAX_AWAIT_MS / 1000)
    .meta({ description: `the longest wait for await_lsn, 0 to ${MAX_AWAIT_MS / 1000}` }),
};

/** The query of a request whose question is in its body. */
export const AwaitQuery = z.strictObject(AWAITED);

/** Of an answer with rows. */
export const SHOWN = {
  numbers: z.enum(['json', 'text']).default('json').meta({
    description:
      'text: numbers in rows and contexts come as strings of their digits, for clients whose numbers would lose digits',
  }),
};

export const AsOfQuery = z.strictObject({ pk: Pk, at: Instant.optional(), ...AWAITED, ...SHOWN });

/** The query of a batch, which has the keys in its body. */
export const BatchQuery = AsOfQuery.omit({ pk: true });
export const MAX_KEYS = 100;
export const BatchBody = z.strictObject({
  keys: z
    .array(z.unknown())
    .min(1)
    .max(MAX_KEYS)
    .meta({
      description: 'each a JSON object with every key column, or the bare value of a one-column key',
      examples: [[42, { region: 'eu', id: '7' }]],
    }),
});

export const MAX_PAGE = 1000;
export const pageLimit = (what: string) =>
  z
    .string()
    .regex(/^\d{1,4}$/, 'must be a whole number')
    .transform((text) => Number.parseInt(text, 10))
    .pipe(z.int().min(1).max(MAX_PAGE))
    .default(100)
    .meta({ description: `${what}, 1 to ${MAX_PAGE}; fewer if they are large` });

export const DiffQuery = z.strictObject({
  pk: Pk,
  from: Instant.optional(),
  to: Instant.optional(),
  limit: pageLimit('the most changes in a page'),
  cursor: z
    .string()
    .min(1)
    .optional()
    .meta({ pattern: '^[A-Za-z0-9_-]+$', description: '`next_cursor` of the previous page' }),
  ...AWAITED,
  ...SHOWN,
});
export const NoQuery = z.strictObject({});
