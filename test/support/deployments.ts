/**
 * The migrate function as CloudFormation calls it, for the hunt for interruptions. Each event runs in its own process, which
 * ends with the invocation like a frozen environment. Its secrets lead to the given databases.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ERROR_CODES, type ErrorCode } from '../../core/errors/codes.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { startAwsStub } from './aws-stub.ts';
import type { HuntedNode, Urls } from './hunted-node.ts';
import { ARNS, type DeployedState, deploymentEvent } from './lambda-databases.ts';
import { startHandler } from './run-lambda.ts';
import { builtFunctions } from './synthesize.ts';

/** The time of an invocation. The function reserves 20 s of it for undoing, and 5 s for its answer. */
export const INVOCATION_MS = 45_000;

const STACK = 'arn:aws:cloudformation:eu-central-1:123456789012:stack/pgtimewarp-app';

/** The bundle that is deployed. It starts in a quarter of the source's time. */
async function migrateFunction(): Promise<URL> {
  return pathToFileURL(join(await builtFunctions(), 'migrate/index.mjs'));
}

export interface Request {
  readonly type: 'Create' | 'Update' | 'Delete';
  readonly wanted: DeployedState;
  /** For an Update: the earlier state. */
  readonly before?: DeployedState;
  readonly physicalResourceId?: string;
}

/** The declared tables of the node: one table, or none. */
export function deployed({ urls: { node }, plugin, table }: HuntedNode, isTracked: boolean): DeployedState {
  return {
    nodes: [{ node, plugin, sourceSecretArn: ARNS.source, tables: isTracked ? [{ name: table.name }] : [] }],
  };
}

/**
 * Sends an event. If the answer is FAILED, throws the function's reason with the physical resource id of the answer. Throws an
 * Error if there is not exactly one answer.
 * @returns the physical resource id of the answer
 */
export async function deploy(urls: Urls, request: Request, invocationMs = INVOCATION_MS): Promise<string> {
  await using aws = await startAwsStub();
  aws.secrets.set(ARNS.owner, JSON.stringify({ url: urls.storeUrl }));
  aws.secrets.set(ARNS.source, JSON.stringify({ url: urls.sourceUrl }));
  await using environment = await startHandler(await migrateFunction(), {
    env: {
      ...aws.env,
      PGTIMEWARP_STORE_SECRET_ARN: ARNS.owner,
      PGTIMEWARP_WRITER_SECRET_ARN: ARNS.owner,
      PGTIMEWARP_READER_SECRET_ARN: ARNS.owner,
    },
  });
  const { type, wanted, before, physicalResourceId } = request;
  // one stack for each node: requests of one stack take turns, and trials of a hunt must not wait for each other
  const event = { ...deploymentEvent(aws, type, wanted, before), StackId: `${STACK}/${urls.node}` };
  await environment.invoke(
    physicalResourceId === undefined ? event : { ...event, PhysicalResourceId: physicalResourceId },
    invocationMs,
  );
  const [answer, ...more] = aws.cloudFormation;
  if (answer === undefined || more.length > 0) {
    throw new Error(`${aws.cloudFormation.length} answers: ${environment.output().slice(-2000)}`);
  }
  if (answer.Status === 'SUCCESS') return answer.PhysicalResourceId!;
  const [code = ''] = answer.Reason!.split(':');
  if (!(code in ERROR_CODES)) throw new Error(answer.Reason);
  throw new TimewarpError(code as ErrorCode, answer.Reason!, {
    facts: { node: urls.node, physicalResourceId: answer.PhysicalResourceId! },
  });
}
