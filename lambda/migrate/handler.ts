/**
 * The databases' part of a deployment, as a custom resource of CloudFormation: schema of the store, logins, nodes, tracked
 * tables. Every request can be repeated, and every one is answered, in time, whatever the databases do. A deployment waits
 * until tables have started, not for their baselines: the schedule goes on with those. Deleting ends what pins WAL on the
 * sources (slots) and keeps the history.
 */
import type {
  CloudFormationCustomResourceDeleteEvent,
  CloudFormationCustomResourceEvent,
  CloudFormationCustomResourceUpdateEvent,
  Context,
} from 'aws-lambda';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { beforeEnd } from '../shared/deadline.ts';
import { errorFields } from '../shared/observability.ts';
import { bringUp, isAsWanted } from './bring-up.ts';
import { logger } from './logger.ts';
import { trackedTables } from './node-access.ts';
import { formerState, type Wanted, wantedState } from './properties.ts';
import { type Outcome, respond } from './respond.ts';
import { takeDown } from './take-down.ts';

const RESOURCE = 'pgtimewarp';
/**
 * What a failed creation leaves: its deletion, which CloudFormation asks for next by this name, must not touch nodes of before,
 * and must remove what there was no time, or no way, to undo. Names of nodes follow, a slash before each.
 */
const NOTHING = 'pgtimewarp-nothing';
const LEFT = /^pgtimewarp-nothing-but((?:\/[a-z0-9_]+)+)$/;
/** Of a physical resource id (AWS CloudFormation User Guide, "Custom resource response objects"). */
const MAX_ID_LENGTH = 1024;

interface Invocation {
  /** Given when its time is nearly over. */
  readonly signal: AbortSignal;
  readonly begunMs: number;
  /** Nodes that were not there before, and may be now. */
  readonly made: Set<string>;
}

/** For undoing what was begun, and the answer to CloudFormation. */
const CLOSING_MS = 20_000;

export async function handler(event: CloudFormationCustomResourceEvent, context: Context): Promise<void> {
  logger.addContext(context);
  const invocation = {
    signal: AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - CLOSING_MS)),
    begunMs: performance.now(),
    made: new Set<string>(),
  };
  let outcome: Outcome;
  try {
    await beforeEnd(context, () => act(event, invocation));
    outcome = { status: 'SUCCESS', physicalResourceId: RESOURCE };
  } catch (error) {
    const fields = errorFields(error);
    logger.error('deployment failed', fields);
    const reason = `${fields.code}: ${fields.detail} ${fields.remedy ?? ''}`;
    const physicalResourceId =
      event.RequestType === 'Create' ? failedCreation(invocation.made) : event.PhysicalResourceId;
    outcome = { status: 'FAILED', physicalResourceId, reason };
  }
  await respond(event, outcome);
}

function failedCreation(made: ReadonlySet<string>): string {
  let id = NOTHING;
  for (const node of made) {
    const longer = `${id === NOTHING ? `${NOTHING}-but` : id}/${node}`;
    if (longer.length <= MAX_ID_LENGTH) id = longer;
  }
  return id;
}

async function act(event: CloudFormationCustomResourceEvent, invocation: Invocation): Promise<void> {
  switch (event.RequestType) {
    case 'Create':
      return bringUp(wantedState(event.ResourceProperties).nodes, invocation);
    case 'Update':
      return update(event, invocation);
    case 'Delete':
      return remove(event, invocation);
  }
}

async function update(event: CloudFormationCustomResourceUpdateEvent, invocation: Invocation): Promise<void> {
  const [wanted, before] = [wantedState(event.ResourceProperties), formerState(event.OldResourceProperties)];
  try {
    await bringUp(wanted.nodes, invocation);
  } catch (error) {
    const tooNew = error instanceof TimewarpError && error.code === 'SCHEMA_TOO_NEW';
    if (!tooNew || !(await isRolledBack(wanted, before))) throw error;
    logger.warn('the schema is that of the version that was rolled back; it stays', errorFields(error));
    return;
  }
  try {
    await takeDown(before.nodes, wanted.nodes, {
      forgotten: wanted.forgetSources,
      signal: invocation.signal,
    });
  } catch (error) {
    throw withWayOut(error, 'or, if a source is gone for good, name its node in forgetSources and deploy.');
  }
}

/** Whether nothing is to be done in the databases: all is there that is wanted, and nothing else holds a slot. */
async function isRolledBack(wanted: Wanted, before: Wanted): Promise<boolean> {
  for (const node of wanted.nodes) if (!(await isAsWanted(node))) return false;
  const names = new Set(wanted.nodes.map(({ node }) => node));
  for (const { node } of before.nodes) {
    if (!names.has(node) && (await trackedTables(node)) !== null) return false;
  }
  return true;
}

async function remove(event: CloudFormationCustomResourceDeleteEvent, { signal }: Invocation): Promise<void> {
  if (event.PhysicalResourceId === NOTHING) return;
  const left = LEFT.exec(event.PhysicalResourceId)?.[1]?.split('/');
  const { nodes, forgetSources } = formerState(event.ResourceProperties);
  const own = nodes.filter(({ node }) => left === undefined || left.includes(node));
  try {
    await takeDown(own, [], { forgotten: forgetSources, signal });
  } catch (error) {
    const stack = event.StackId.split('/')[1] ?? event.StackId;
    const way = `aws cloudformation delete-stack --stack-name ${stack} --retain-resources ${event.LogicalResourceId}`;
    throw withWayOut(error, `or, when that SQL has been run or a source is gone for good: ${way}`);
  }
}

/** What can be done when a source never answers again. */
function withWayOut(error: unknown, way: string): unknown {
  if (!(error instanceof TimewarpError)) return error;
  const { code, message, remedy, facts, cause } = error;
  return new TimewarpError(code, message, { facts, cause, remedy: `${remedy} Then repeat it, ${way}` });
}
