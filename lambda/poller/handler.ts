/**
 * Makes one run of one node (`{"node": "shop"}`), of each node of a part (`{"part": 0, "of": 8}`), or of each node. A node that fails
 * does not stop the others. If a node failed, the invocation fails after all have ended and been reported.
 */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context } from 'aws-lambda';
import { pollWith } from '../../core/poll.ts';
import { boundHeap } from '../../core/run/heap.ts';
import { readWorstHorizonAge } from '../../core/store/node/fleet.ts';
import {
  type FailedRunDocument,
  failedRunDocument,
  type RunDocument,
  runDocument,
} from '../../documents/run.ts';
import { parseSetting, readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { beforeEnd, secondsForRun } from '../shared/deadline.ts';
import {
  createLogger,
  createMetrics,
  errorFields,
  publishCommon,
  publishOf,
} from '../shared/observability.ts';
import {
  hasTimeForNode,
  ServedEvent,
  type SourceSecrets,
  servedNodes,
  someAtATime,
  sourceSecretOf,
} from '../shared/served-nodes.ts';
import { Sessions } from '../shared/sessions.ts';
import { type NodeState, readNodeState } from './node-state.ts';

boundHeap();
const logger = createLogger('poller');
const metrics = createMetrics('poller');
const sessions = new Sessions(new Credentials());

type NodeReport = RunDocument | FailedRunDocument;
interface Served {
  readonly report: NodeReport;
  readonly state: NodeState | null;
}

export async function handler(event: unknown, context: Context): Promise<{ nodes: NodeReport[] }> {
  logger.addContext(context);
  const configuration = readConfiguration([
    'storeSecretArn',
    'sourceSecretArns',
    'sourceSecretPrefix',
    'nodesAtOnce',
    'nodeMetrics',
  ]);
  const asked = parseSetting(ServedEvent, event ?? {}, 'The event');
  const nodes = await beforeEnd(context, () => servedNodes(asked, configuration, sessions));
  const lanes = { atOnce: configuration.nodesAtOnce, mayBegin: () => hasTimeForNode(context) };
  const served = await someAtATime(nodes, lanes, (node) => runNode(node, configuration, context));
  if (served.length < nodes.length)
    logger.warn('no time for all nodes', { waiting: nodes.length - served.length });
  const reports = served.map(({ report }) => report);
  const failed = reports.filter(isFailed);
  const budgets = served.flatMap(({ state }) => state?.walBudgetPercent ?? []);
  publishCommon(metrics, [
    ['WorstHorizonAgeInSeconds', MetricUnit.Seconds, await worstHorizonAge(configuration, context)],
    ['WorstWalBudgetUsedInPercent', MetricUnit.Percent, budgets.length === 0 ? null : Math.max(...budgets)],
    ['NodesFailed', MetricUnit.Count, failed.length],
  ]);
  if (failed.length === 0) return { nodes: reports };
  const which = failed.map(({ node, outcome, reason }) => `${node} (${outcome}: ${reason ?? ''})`);
  throw new Error(`${failed.length} of ${reports.length} nodes failed: ${which.join('; ')}`);
}

function isFailed({ outcome }: NodeReport): boolean {
  return ['failed', 'gap', 'blocked'].includes(outcome);
}

/** null if the store does not answer: then the alarm rings because nothing is reported. */
async function worstHorizonAge(
  { storeSecretArn }: Pick<SourceSecrets, 'storeSecretArn'>,
  context: Context,
): Promise<number | null> {
  const store = { side: 'store', node: 'all', secretArn: storeSecretArn } as const;
  try {
    return await beforeEnd(context, (signal) => sessions.use(store, readWorstHorizonAge, signal));
  } catch (error) {
    logger.warn('the age of the horizons cannot be read', errorFields(error));
    return null;
  }
}

async function runNode(
  node: string,
  configuration: SourceSecrets & { readonly nodeMetrics: 'on' | 'off' },
  context: Context,
): Promise<Served> {
  const { storeSecretArn } = configuration;
  const started = performance.now();
  let report: NodeReport;
  let state: NodeState | null = null;
  try {
    const sourceSecretArn = sourceSecretOf(node, configuration);
    const maxSeconds = secondsForRun(context);
    report = runDocument(
      await beforeEnd(context, (signal) =>
        sessions.use(
          { side: 'store', node, secretArn: storeSecretArn },
          (store) =>
            sessions.use(
              { side: 'source', node, secretArn: sourceSecretArn },
              async (source) => {
                const result = await pollWith({ source, store }, { node, maxSeconds, signal });
                state = await readNodeState(source, store, node).catch((error: unknown) => {
                  logger.warn('state of the node cannot be read', { node, ...errorFields(error) });
                  return null; // the run itself has ended
                });
                return result;
              },
              signal,
            ),
          signal,
        ),
      ),
    );
    logger.info('run ended', { ...report });
  } catch (error) {
    const fields = errorFields(error);
    logger.error('run failed', { node, ...fields });
    report = failedRunDocument(node, `${fields.code}: ${fields.detail}`);
  }
  if (configuration.nodeMetrics === 'on') publish(report, state, performance.now() - started);
  return { report, state };
}

function publish(report: NodeReport, state: NodeState | null, durationInMillis: number): void {
  const failed = isFailed(report);
  const ran = report.outcome !== 'failed' && report.outcome !== 'busy' ? report : null;
  publishOf(metrics, report.node, [
    ['RunsFailed', MetricUnit.Count, failed ? 1 : 0],
    ['RunsBusy', MetricUnit.Count, report.outcome === 'busy' ? 1 : 0],
    ['DurationInMillis', MetricUnit.Milliseconds, Math.round(durationInMillis)],
    ['Transactions', MetricUnit.Count, ran?.transactions],
    ['Changes', MetricUnit.Count, ran?.changes],
    ['LagInBytes', MetricUnit.Bytes, ran?.lag_bytes],
    ['HorizonAgeInSeconds', MetricUnit.Seconds, state?.horizonAgeSeconds],
    ['WalBudgetUsedInPercent', MetricUnit.Percent, state?.walBudgetPercent],
  ]);
}
