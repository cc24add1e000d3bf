/**
 * What goes in, as zod schemas: requests are checked with them, and the OpenAPI document is generated from them and from those of
 * the documents that come out (documents/). A `pattern` that is only documented is that of the parser, which says better what is
 * wrong.
 */
import * as z from 'zod';
import { MAX_AWAIT_MS } from '../core/query/await-horizon.ts';
import { CURSOR } from '../core/query/diff-cursor.ts';
import { INSTANT_TEXT } from '../core/query/instant.ts';
import { LSN_TEXT, parseLsn } from '../core/types/lsn.ts';
import { SEGMENT } from '../documents/table-segment.ts';

export const TableSegment = z
  .string()
  .min(1)
  .meta({
    pattern: SEGMENT.source,
    description: 'schema.table by their true names, percent-encoded; a name with a dot in double quotes',
    examples: ['public.orders', 'public."v1.orders"'],
  });
const Pk = z
  .string()
  .min(1)
  .meta({
    pattern: '^[^\\u0000]+$',
    description: 'the key: a JSON object naming every key column, or the bare value of a one-column key',
    examples: ['42', '{"region":"eu","id":"7"}'],
  });
const Instant = z
  .string()
  .min(1)
  .meta({
    pattern: INSTANT_TEXT.source,
    description: 'RFC 3339 with an offset (percent-encode the +), or an LSN',
    examples: ['2026-01-31T09:41:00Z', '0/16B3748'],
  });

const AWAITED = {
  await_lsn: z
    .string()
    .regex(LSN_TEXT, 'must be an LSN')
    .transform(parseLsn)
    .optional()
    .meta({
      description: 'answer once the node has been read up to here: how to read what one has just written',
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
    .meta({ description: `how long await_lsn waits at most, 0 to ${MAX_AWAIT_MS / 1000}` }),
};

const SHOWN = {
  numbers: z.enum(['json', 'text']).default('json').meta({
    description:
      'text: every number of rows and contexts as a string of its digits, for clients whose numbers lose some',
  }),
};

export const AsOfQuery = z.strictObject({ pk: Pk, at: Instant.optional(), ...AWAITED, ...SHOWN });

/** Of a batch: the key is in the body. */
export const BatchQuery = AsOfQuery.omit({ pk: true });
export const MAX_KEYS = 100;
export const BatchBody = z.strictObject({
  keys: z
    .array(z.unknown())
    .min(1)
    .max(MAX_KEYS)
    .meta({
      description: 'each a JSON object naming every key column, or the bare value of a one-column key',
      examples: [[42, { region: 'eu', id: '7' }]],
    }),
});

export const MAX_PAGE = 1000;
export const DiffQuery = z.strictObject({
  pk: Pk,
  from: Instant.optional(),
  to: Instant.optional(),
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'must be a whole number')
    .transform((text) => Number.parseInt(text, 10))
    .pipe(z.int().min(1).max(MAX_PAGE))
    .default(100)
    .meta({ description: `changes of a page, 1 to ${MAX_PAGE}; fewer when they are big` }),
  cursor: z
    .string()
    .min(1)
    .optional()
    .meta({ pattern: CURSOR.source, description: '`next_cursor` of the page before' }),
  ...AWAITED,
  ...SHOWN,
});
export const NoQuery = z.strictObject({});
