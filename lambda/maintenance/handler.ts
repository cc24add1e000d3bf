/**
 * What an operator decides, for databases that only functions reach: reading tables or a node again, leaving out a transaction,
 * letting go of a slot. It has a function and a role of its own, so that the right to invoke the poller is not the right to
 * lose history. An action that fails fails the invocation, with its code, its sentence and its remedy.
 */
import type { Context } from 'aws-lambda';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { boundHeap } from '../../core/run/heap.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { beforeEnd } from '../shared/deadline.ts';
import { createLogger, errorFields } from '../shared/observability.ts';
import { type DatabaseReference, Sessions } from '../shared/sessions.ts';
import { act } from './act.ts';
import { type MaintenanceEvent, parseEvent } from './event.ts';

boundHeap();
const logger = createLogger('maintenance');
const credentials = new Credentials();
const sessions = new Sessions(credentials);

/** For the run that is under way to end at a safe point, and for the answer. */
const CLOSING_MS = 30_000;

export async function handler(event: unknown, context: Context): Promise<object> {
  logger.addContext(context);
  try {
    const asked = parseEvent(event);
    const answer = await beforeEnd(context, () =>
      perform(asked, Math.max(1, context.getRemainingTimeInMillis() - CLOSING_MS)),
    );
    logger.info('maintenance done', { action: asked.action, ...answer });
    return { action: asked.action, ...answer };
  } catch (error) {
    const fields = errorFields(error);
    logger.error('maintenance failed', { asked: event, ...fields });
    throw failureOf(fields);
  }
}

async function perform(asked: MaintenanceEvent, timeMs: number): Promise<object> {
  const { node } = asked;
  const { storeSecretArn, ownerSecretArn, sourceSecretArns } = readConfiguration([
    'storeSecretArn',
    'ownerSecretArn',
    'sourceSecretArns',
  ]);
  const sourceSecretArn = sourceSecretArns[node];
  if (sourceSecretArn === undefined) {
    throw new TimewarpError('NODE_UNKNOWN', `This deployment has no node "${node}".`, {
      remedy: `It has: ${Object.keys(sourceSecretArns).join(', ')}.`,
    });
  }
  // A node that is read anew gets new relations, which only the owner of the store makes; everything else a writer may do.
  const ofWholeNode = asked.action === 'rebaseline' && asked.tables === undefined;
  const secretArn = ofWholeNode ? ownerSecretArn : storeSecretArn;
  const store: DatabaseReference = { side: 'store', node, secretArn };
  // Core connects by itself: opening sessions finds out whether the logins still hold.
  await sessions.use(store, async () => {});
  if (asked.action !== 'slot-budget')
    await sessions.use({ side: 'source', node, secretArn: sourceSecretArn }, async () => {});
  const urls = {
    node,
    storeUrl: await credentials.url(secretArn),
    sourceUrl: await credentials.url(sourceSecretArn),
  };
  return await act(asked, {
    urls,
    version: process.env.PGTIMEWARP_VERSION ?? 'unknown',
    signal: AbortSignal.timeout(timeMs),
    withStore: (work) => sessions.use(store, work),
  });
}

/** What the caller of the function sees: `errorType` is the code. */
function failureOf({ code, detail, remedy }: Record<string, unknown>): Error {
  const failure = new Error([`${code}: ${detail}`, remedy].filter(Boolean).join(' '));
  failure.name = String(code);
  return failure;
}
