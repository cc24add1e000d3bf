/**
 * What goes in and comes out, as zod schemas: the requests are checked with them, the documents that this code makes are
 * too, and the OpenAPI document is generated from them. A `pattern` that is only documented is that of the parser, which
 * says better what is wrong. Values of rows are only described: they pass through as text.
 */
import * as z from 'zod';
import { MAX_AWAIT_MS } from '../core/query/await-horizon.ts';
import { CURSOR } from '../core/query/diff-cursor.ts';
import { INSTANT_TEXT } from '../core/query/instant.ts';
import { LSN_TEXT, parseLsn } from '../core/types/lsn.ts';
import { SEGMENT } from '../documents/table-segment.ts';

const Text = z.string();
const Lsn = z
  .string()
  .regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/)
  .meta({ examples: ['0/16B3748'] });
const Time = z.iso
  .datetime({ offset: false, precision: 6 })
  .meta({ description: 'RFC 3339, UTC, six decimals', examples: ['2026-01-31T09:41:00.000001Z'] });
export const Point = z.object({ lsn: Lsn, ts: Time });
export const Row = z
  .record(z.string(), z.unknown())
  .meta({ description: 'the row, values exactly as the source held them' });

export const NodeName = z
  .string()
  .regex(/^[a-z0-9_]{1,40}$/)
  .meta({ description: 'name of a node', examples: ['shop'] });
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

export const Commit = z.object({ lsn: Lsn, ts: Time.nullable(), xid: Text.nullable() });
export const Reason = z.enum([
  'not_yet_inserted',
  'deleted',
  'not_in_window',
  'before_tracking',
  'baseline_pending',
  'in_gap',
  'expired',
  'erased',
]);
export const Operation = z
  .enum(['I', 'U', 'D', 'S', 'T'])
  .meta({ description: 'insert, update, delete, read when the table was read, truncate' });
export const AsOfPoint = z.object({ requested: Text.nullable(), lsn: Lsn.nullable() });
export const HorizonPoint = z.object({ lsn: Lsn.nullable(), ts: Time.nullable() });

export const Assumes = z.enum(['no-nan']).meta({
  description:
    'a NULL of a numeric or float column was taken at its word, because the table is tracked with --no-nan',
});

export const Answer = z.object({
  status: z.enum(['found', 'absent', 'unknown']),
  reason: Reason.nullable(),
  schema: Text,
  table: Text,
  pk: z.record(z.string(), z.string()),
  row: Row.nullable(),
  op: Operation.nullable(),
  incomplete: z.array(Text),
  context: z.unknown(),
  valid_from: Commit.nullable(),
  valid_to: Commit.nullable(),
  as_of: AsOfPoint,
  horizon: HorizonPoint,
  final: z.boolean(),
  oldest: Point.optional().meta({ description: 'of an expired answer: what can still be asked' }),
  assumes: Assumes.optional(),
});

/** An answer that is no row: the problem's members and the answer's. */
export const AnswerProblem = Answer.extend({
  type: z.string().regex(/^urn:pgtimewarp:(absent|unknown):[a-z_]+$/),
  title: Text,
  status: z.enum(['absent', 'unknown']),
  row: Row.nullable().meta({ description: 'always null' }),
});

export const Problem = z.object({
  type: z.string().regex(/^urn:pgtimewarp:[A-Za-z_:-]+$/),
  title: Text,
  status: z.int(),
  detail: Text,
  remedy: Text.optional(),
  instance: Text.optional(),
});

export const Answers = z.object({
  answers: z
    .array(z.union([Answer, Problem]))
    .meta({ description: 'one for each key, in their order; a key that cannot be used has a problem' }),
});

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
    .meta({ description: 'columns whose values the row lacks, though the table had them' }),
  assumes: Assumes.optional(),
  omitted: z
    .array(z.enum(['changed', 'row']))
    .optional()
    .meta({ description: 'members that are null because they would not fit into a response' }),
});
export const UnknownInterval = z.object({ from: Time.nullable(), to: Time.nullable(), reason: Reason });
export const Diff = z.object({
  changes: z.array(Change),
  unknown: z.array(UnknownInterval),
  from: Text.nullable(),
  to: Text.nullable(),
  horizon: Point.nullable(),
  final: z.boolean(),
  next_cursor: Text.optional().meta({ description: 'there is another page' }),
});

export const LastRun = z.object({ at: Time, outcome: Text.nullable() });
export const Node = z.object({
  node: NodeName,
  status: z.enum(['active', 'gap', 'blocked', 'removed']),
  status_reason: Text.nullable(),
  database: Text,
  plugin: z.enum(['wal2json', 'pgoutput']),
  horizon: Point.nullable(),
  caught_up: z.boolean(),
  last_run: LastRun.nullable(),
});
export const Nodes = z.object({ nodes: z.array(Node) });

export const Table = z.object({
  schema: Text,
  table: Text,
  segment: Text.meta({ description: 'what stands for {table} in a path, before it is percent-encoded' }),
  path: Text.meta({ description: 'the beginning of every path about the table, percent-encoded' }),
  status: z.enum(['starting', 'active', 'needs_rebaseline', 'untracked']),
  status_reason: Text.nullable(),
  key: z.array(Text),
  tracked_from: Point.nullable(),
  tracked_to: Point.nullable(),
  baseline: z.enum(['none', 'pending', 'done']),
  retention: Text.nullable(),
  excluded: z.array(Text),
  no_nan: z.boolean().meta({ description: 'tracked with --no-nan' }),
});
export const Tables = z.object({ node: NodeName, tables: z.array(Table) });

export const Verdict = z.enum(['ok', 'warn', 'fail']);
export const Check = z.object({ code: Text, status: Verdict, message: Text, remedy: Text.nullable() });
export const NodeHealth = z.object({ node: NodeName, status: Verdict, checks: z.array(Check) });
export const Health = z.object({ status: Verdict, nodes: z.array(NodeHealth) });
