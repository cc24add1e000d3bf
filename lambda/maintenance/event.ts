/** The event of the maintenance function. It is checked before any action; a wrong event is refused with examples of right ones. */
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
      /** Names as in psql. */
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
      /** How much WAL the slot may keep. */
      budget: Size.optional(),
      /** Whether runs drop the slot when it exceeds the budget. */
      automatic: z.boolean().optional(),
    })
    .refine(
      ({ budget, automatic }) => budget !== undefined || automatic !== undefined,
      'name "budget", "automatic" or both',
    ),
]);

export type MaintenanceEvent = z.output<typeof MaintenanceEvent>;

/** A right event for each action. */
const FORMS = [
  '{"action": "rebaseline", "node": "shop", "tables": ["public.orders"]}',
  '{"action": "rebaseline", "node": "shop", "wholeNode": true, "yes": true}',
  '{"action": "skip", "node": "shop", "lsn": "0/16B3748"}',
  '{"action": "release-slot", "node": "shop", "yes": true}',
  '{"action": "slot-budget", "node": "shop", "budget": "20GB", "automatic": true}',
];

/** Throws BAD_FLAGS: the message names the mistake, the remedy shows right events. */
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
      `Releasing the slot of "${asked.node}" loses all later changes until a rebaseline of the node. To confirm, say "yes": true.`,
    );
  }
  if (asked.action === 'rebaseline' && asked.wholeNode && !asked.yes) {
    throw wrong(
      `A rebaseline of all of "${asked.node}" makes a new slot, and changes meanwhile are a gap. To confirm, say "yes": true.`,
    );
  }
  return asked;
}

function wrong(message: string): TimewarpError {
  return new TimewarpError('BAD_FLAGS', message, { remedy: `Write one of ${FORMS.join(' · ')}` });
}
