/**
 * Makes one run of one node (`{"node": "shop"}`), or of all nodes. A node that fails does not stop the others. If a node failed, the
 * invocation fails after all have ended and been reported.
 */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context } from 'aws-lambda';
import * as z from 'zod';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { pollWith } from '../../core/poll.ts';
import { boundHeap } from '../../core/run/heap.ts';
import {
  type FailedRunDocument,
  failedRunDocument,
  type RunDocument,
  runDocument,
} from '../../documents/run.ts';
import { NodeName, parseSetting, readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { beforeEnd, secondsForRun } from '../shared/deadline.ts';
import { createLogger, createMetrics, errorFields, publishOf } from '../shared/observability.ts';
import { Sessions } from '../shared/sessions.ts';
import { type NodeState, readNodeState } from './node-state.ts';

boundHeap();
const logger = createLogger('poller');
const metrics = createMetrics('poller');
const sessions = new Sessions(new Credentials());

const Event = z.object({ node: NodeName.optional() });

type NodeReport = RunDocument | FailedRunDocument;

export async function handler(event: unknown, context: Context): Promise<{ nodes: NodeReport[] }> {
  logger.addContext(context);
  const configuration = readConfiguration(['storeSecretArn', 'sourceSecretArns']);
  const asked = parseSetting(Event, event ?? {}, 'The event').node;
  const nodes = asked === undefined ? Object.keys(configuration.sourceSecretArns) : [asked];
  const reports = await Promise.all(nodes.map((node) => runNode(node, configuration, context)));
  const failed = reports.filter((report) => ['failed', 'gap', 'blocked'].includes(report.outcome));
  if (failed.length === 0) return { nodes: reports };
  const which = failed.map(({ node, outcome, reason }) => `${node} (${outcome}: ${reason ?? ''})`);
  throw new Error(`${failed.length} of ${reports.length} nodes failed: ${which.join('; ')}`);
}

async function runNode(
  node: string,
  { storeSecretArn, sourceSecretArns }: { storeSecretArn: string; sourceSecretArns: Record<string, string> },
  context: Context,
): Promise<NodeReport> {
  const started = performance.now();
  let report: NodeReport;
  let state: NodeState | null = null;
  try {
    const sourceSecretArn = sourceSecretArns[node];
    if (sourceSecretArn === undefined) {
      throw new TimewarpError(
        'NODE_UNKNOWN',
        `The configuration of this function has no source for node "${node}".`,
      );
    }
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
  publish(report, state, performance.now() - started);
  return report;
}

function publish(report: NodeReport, state: NodeState | null, durationInMillis: number): void {
  const failed = ['failed', 'gap', 'blocked'].includes(report.outcome);
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
