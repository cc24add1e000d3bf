/** What an operator asks of the maintenance function: checked before anything is touched, and refused with what to write instead. */
import * as z from 'zod';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { BYTE_SIZE_FORM, tryParseByteSize } from '../../core/types/byte-size.ts';
import { tryParseLsn } from '../../core/types/lsn.ts';
import { NodeName } from '../shared/configuration.ts';

const Table = z.string().transform((text, context) => {
  try {
    return parseTableName(text);
  } catch (error) {
    context.addIssue((error as Error).message);
    return z.NEVER;
  }
});

const Position = z.string().transform((text, context) => {
  const lsn = tryParseLsn(text);
  if (lsn !== null) return lsn;
  context.addIssue('must be an LSN, such as 0/16B3748');
  return z.NEVER;
});

const Size = z.string().transform((text, context) => {
  const bytes = tryParseByteSize(text);
  if (bytes !== null) return bytes;
  context.addIssue(`must be ${BYTE_SIZE_FORM}, such as 20GB`);
  return z.NEVER;
});

const MaintenanceEvent = z.discriminatedUnion('action', [
  z
    .strictObject({
      action: z.literal('rebaseline'),
      node: NodeName,
      /** As psql takes them. */
      tables: z.array(Table).min(1).optional(),
      wholeNode: z.literal(true).optional(),
      yes: z.boolean().default(false),
    })
    .refine(
      ({ tables, wholeNode }) => (tables === undefined) !== (wholeNode === undefined),
      'name either "tables", or "wholeNode": true',
    ),
  z.strictObject({ action: z.literal('skip'), node: NodeName, lsn: Position }),
  z.strictObject({ action: z.literal('release-slot'), node: NodeName, yes: z.boolean().default(false) }),
  z
    .strictObject({
      action: z.literal('slot-budget'),
      node: NodeName,
      /** WAL that the slot may keep. */
      budget: Size.optional(),
      /** Whether runs drop the slot when that is used up. */
      automatic: z.boolean().optional(),
    })
    .refine(
      ({ budget, automatic }) => budget !== undefined || automatic !== undefined,
      'name "budget", "automatic" or both',
    ),
]);

export type MaintenanceEvent = z.output<typeof MaintenanceEvent>;

/** Each action with an event that is right. */
const FORMS = [
  '{"action": "rebaseline", "node": "shop", "tables": ["public.orders"]}',
  '{"action": "rebaseline", "node": "shop", "wholeNode": true, "yes": true}',
  '{"action": "skip", "node": "shop", "lsn": "0/16B3748"}',
  '{"action": "release-slot", "node": "shop", "yes": true}',
  '{"action": "slot-budget", "node": "shop", "budget": "20GB", "automatic": true}',
];

/** Throws BAD_FLAGS: what is wrong with the event, and how it is written. */
export function parseEvent(event: unknown): MaintenanceEvent {
  const result = MaintenanceEvent.safeParse(event);
  if (!result.success) {
    const [issue] = result.error.issues;
    const where = issue !== undefined && issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
    throw wrong(`The event cannot be used: ${where}${issue?.message ?? 'is wrong'}.`);
  }
  const asked = result.data;
  if (asked.action === 'release-slot' && !asked.yes) {
    throw wrong(
      `Releasing the slot of "${asked.node}" loses what is committed from then on, until the node is read anew; say "yes": true.`,
    );
  }
  if (asked.action === 'rebaseline' && asked.wholeNode && !asked.yes) {
    throw wrong(
      `Reading all of "${asked.node}" anew makes its slot anew, and what is committed meanwhile is a gap; say "yes": true.`,
    );
  }
  return asked;
}

function wrong(message: string): TimewarpError {
  return new TimewarpError('BAD_FLAGS', message, { remedy: `Write one of ${FORMS.join(' · ')}` });
}
