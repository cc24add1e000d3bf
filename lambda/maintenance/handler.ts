/**
 * Performs decisions of an operator, for databases that only functions can reach: rebaseline, skip, release-slot. It has its own
 * function and role, because some actions lose history: the permission to invoke the poller must not include them. If an action
 * fails, the invocation fails with code, message and remedy.
 */
import type { Context } from 'aws-lambda';
import { boundHeap } from '../../core/run/heap.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { beforeEnd } from '../shared/deadline.ts';
import { createLogger, errorFields } from '../shared/observability.ts';
import { sourceSecretOf } from '../shared/served-nodes.ts';
import { type DatabaseReference, Sessions } from '../shared/sessions.ts';
import { act } from './act.ts';
import { type MaintenanceEvent, parseEvent } from './event.ts';

boundHeap();
const logger = createLogger('maintenance');
const credentials = new Credentials();
const sessions = new Sessions(credentials);

/** Time kept for work to stop at a safe point, and for the answer. */
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
  const configuration = readConfiguration([
    'storeSecretArn',
    'ownerSecretArn',
    'sourceSecretArns',
    'sourceSecretPrefix',
  ]);
  const { storeSecretArn, ownerSecretArn } = configuration;
  const sourceSecretArn = sourceSecretOf(node, configuration);
  // A rebaseline of a node makes new partitions of row_changes, which only the owner of the store may do. A writer may do the rest.
  const ofWholeNode = asked.action === 'rebaseline' && asked.tables === undefined;
  const secretArn = ofWholeNode ? ownerSecretArn : storeSecretArn;
  const store: DatabaseReference = { side: 'store', node, secretArn };
  // Core opens its own sessions. Opening some here first shows whether the logins are still valid.
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

/** The error as the caller of the function sees it: `errorType` is the code. */
function failureOf({ code, detail, remedy }: Record<string, unknown>): Error {
  const failure = new Error([`${code}: ${detail}`, remedy].filter(Boolean).join(' '));
  failure.name = String(code);
  return failure;
}
