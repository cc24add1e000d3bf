/**
 * The databases' part of a deployment, as a custom resource of CloudFormation: schema of the store, logins, nodes, tracked tables.
 * Every request can be repeated. Every request gets an answer in time, even if a database does not respond. A deployment waits until
 * tables have started, not for their baselines: scheduled runs read those. A deletion removes the slots, which keep WAL on the
 * sources, and keeps the history.
 */
import type {
  CloudFormationCustomResourceDeleteEvent,
  CloudFormationCustomResourceEvent,
  Context,
} from 'aws-lambda';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { stopOf } from '../../core/setup/cancel-on-abort.ts';
import { beforeEnd } from '../shared/deadline.ts';
import { errorFields } from '../shared/observability.ts';
import { bringUp, isAsWanted } from './bring-up.ts';
import { inTurn } from './in-turn.ts';
import { logger } from './logger.ts';
import { trackedTables } from './node-access.ts';
import { formerState, type Wanted, wantedState } from './properties.ts';
import { type Outcome, respond } from './respond.ts';
import { takeDown } from './take-down.ts';

const RESOURCE = 'pgtimewarp';
/**
 * The resource ID after a failed creation. CloudFormation requests its deletion next, which must not touch nodes that existed before.
 * The names of nodes that the creation made and could not remove follow this text.
 */
const NOTHING = 'pgtimewarp-nothing';

interface Invocation {
  /** Aborts when the time is nearly over, or when a newer request of the deployment has come. */
  readonly signal: AbortSignal;
  /** Aborts when the time is nearly over. */
  readonly deadline: AbortSignal;
  /** Aborts when a newer request has come. */
  readonly superseded: AbortSignal;
  readonly begunMs: number;
  /** Names of the nodes that the invocation began to make and has not removed. */
  readonly made: Set<string>;
}

/** The limit of CloudFormation is 1 KB. */
const LONGEST_ID = 1000;

/** Time kept for undoing, and for the answer to CloudFormation. */
const CLOSING_MS = 20_000;

export async function handler(event: CloudFormationCustomResourceEvent, context: Context): Promise<void> {
  logger.addContext(context);
  await respond(event, await outcomeOf(event, context));
}

async function outcomeOf(event: CloudFormationCustomResourceEvent, context: Context): Promise<Outcome> {
  const made = new Set<string>();
  const failed = (error: unknown): Outcome => {
    const fields = errorFields(error);
    logger.error('deployment failed', fields);
    const reason = `${fields.code}: ${fields.detail} ${fields.remedy ?? ''}`;
    const physicalResourceId = event.RequestType === 'Create' ? idOf(made) : event.PhysicalResourceId;
    return { status: 'FAILED', physicalResourceId, reason };
  };
  const done: Outcome = { status: 'SUCCESS', physicalResourceId: RESOURCE };
  try {
    const work = workOf(event);
    if (work === null) return done;
    const deadline = deadlineOf(context);
    return await beforeEnd(context, (over) =>
      inTurn(event, over, {
        work: (superseded) => {
          const signal = AbortSignal.any([deadline, superseded]);
          const begunMs = performance.now();
          return work({ signal, deadline, superseded, begunMs, made }).then(
            () => done,
            (error) => failed(superseded.aborted ? stoppedBy(superseded, error) : error),
          );
        },
        refused: failed,
      }),
    );
  } catch (error) {
    return failed(error);
  }
}

/** If a newer request stopped this one, the reason of that; otherwise the error itself. */
function stoppedBy(superseded: AbortSignal, error: unknown): unknown {
  const stop = stopOf(superseded, error);
  return error instanceof TimewarpError && error.code === stop.code ? error : stop;
}

function idOf(left: ReadonlySet<string>): string {
  if (left.size === 0) return NOTHING;
  const id = `${NOTHING}-but:${[...left].join(',')}`;
  return id.length > LONGEST_ID ? RESOURCE : id;
}

function deadlineOf(context: Context): AbortSignal {
  const controller = new AbortController();
  const timeMs = Math.max(1, context.getRemainingTimeInMillis() - CLOSING_MS);
  const over = new TimewarpError(
    'DEADLINE',
    'The time limit of the request passed before its work was done.',
    {
      remedy: 'Deploy again.',
    },
  );
  setTimeout(() => controller.abort(over), timeMs).unref();
  return controller.signal;
}

/** The work of a request; null: none. Throws, before any work, if the request is wrong. */
function workOf(
  event: CloudFormationCustomResourceEvent,
): ((invocation: Invocation) => Promise<void>) | null {
  switch (event.RequestType) {
    case 'Create': {
      const wanted = wantedState(event.ResourceProperties);
      return (invocation) => bringUp(wanted.nodes, [], invocation);
    }
    case 'Update': {
      const [wanted, before] = [
        wantedState(event.ResourceProperties),
        formerState(event.OldResourceProperties),
      ];
      return (invocation) => update(wanted, before, invocation);
    }
    case 'Delete':
      return event.PhysicalResourceId === NOTHING ? null : (invocation) => remove(event, invocation);
    default:
      throw new TimewarpError(
        'CONFIGURATION_WRONG',
        'The type of the request is not Create, Update or Delete.',
      );
  }
}

async function update(wanted: Wanted, before: Wanted, invocation: Invocation): Promise<void> {
  const { signal, deadline } = invocation;
  try {
    await bringUp(wanted.nodes, before.nodes, invocation);
  } catch (error) {
    const tooNew = error instanceof TimewarpError && error.code === 'SCHEMA_TOO_NEW';
    if (!tooNew || !(await isRolledBack(wanted, before))) throw error;
    logger.warn('the schema is that of the version that was rolled back; it stays', errorFields(error));
    return;
  }
  try {
    await takeDown(before.nodes, wanted.nodes, { forgotten: wanted.forgetSources, signal, deadline });
  } catch (error) {
    throw withWayOut(error, 'or, if a source is gone for good, name its node in forgetSources and deploy.');
  }
}

/** Whether the databases need no work: everything wanted exists, and no other node has a slot. */
async function isRolledBack(wanted: Wanted, before: Wanted): Promise<boolean> {
  for (const node of wanted.nodes) if (!(await isAsWanted(node))) return false;
  const names = new Set(wanted.nodes.map(({ node }) => node));
  for (const { node } of before.nodes) {
    if (!names.has(node) && (await trackedTables(node)) !== null) return false;
  }
  return true;
}

async function remove(
  event: CloudFormationCustomResourceDeleteEvent,
  { signal, deadline }: Invocation,
): Promise<void> {
  const { nodes, forgetSources } = formerState(event.ResourceProperties);
  const [id, left] = event.PhysicalResourceId.split('-but:');
  const names = id === NOTHING ? (left ?? '').split(',') : nodes.map(({ node }) => node);
  const doomed = nodes.filter(({ node }) => names.includes(node));
  try {
    await takeDown(doomed, [], { forgotten: forgetSources, signal, deadline });
  } catch (error) {
    const stack = event.StackId.split('/')[1] ?? event.StackId;
    const way = `aws cloudformation delete-stack --stack-name ${stack} --retain-resources ${event.LogicalResourceId}`;
    throw withWayOut(error, `or, when that SQL has been run or a source is gone for good: ${way}`);
  }
}

/** Adds to an error the remedy for a source that never answers again. */
function withWayOut(error: unknown, way: string): unknown {
  if (!(error instanceof TimewarpError)) return error;
  const { code, message, remedy, facts, cause } = error;
  return new TimewarpError(code, message, { facts, cause, remedy: `${remedy} Then repeat it, ${way}` });
}
