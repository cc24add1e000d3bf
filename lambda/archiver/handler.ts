/**
 * Archives what is due of the nodes of the deployment whose tables have an archive, one node after the other. Shortly before the end
 * of the invocation the work stops, and the next invocation goes on with the unit that was under way. A node that fails does not stop
 * the others; the invocation fails after all have ended and been reported.
 */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context } from 'aws-lambda';
import { archiveRunWith } from '../../core/archive/archive-run.ts';
import { type ArchiveTarget, openArchive } from '../../core/archive/archive-target.ts';
import { readArchivedNodes, readDueUnitAge } from '../../core/archive/archived-nodes.ts';
import { type ArchiverDocument, archiverDocument } from '../../documents/archive.ts';
import { parseSetting, readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { beforeEnd } from '../shared/deadline.ts';
import {
  createLogger,
  createMetrics,
  errorFields,
  publishCommon,
  publishOf,
} from '../shared/observability.ts';
import { ServedEvent, servedNodes } from '../shared/served-nodes.ts';
import { Sessions } from '../shared/sessions.ts';

const logger = createLogger('archiver');
const metrics = createMetrics('archiver');
const sessions = new Sessions(new Credentials());

/** From here on no page of rows and no file is begun; a page takes a second, a file of 256 MB some seconds on the way to the bucket. */
const STOPPING_MS = 30_000;

/** A node for which less is left waits for the next invocation. */
const LEAST_MS = 10_000;

interface Work {
  readonly storeSecretArn: string;
  readonly target: ArchiveTarget;
  /** Aborts when the work must stop. */
  readonly stop: AbortSignal;
  readonly context: Context;
}

/** `{}`: all nodes, `{"node": "shop"}`: one. */
export async function handler(event: unknown, context: Context): Promise<{ nodes: ArchiverDocument[] }> {
  logger.addContext(context);
  const configuration = readConfiguration([
    ...(['storeSecretArn', 'sourceSecretArns', 'sourceSecretPrefix', 'nodeMetrics'] as const),
    ...(['archiveUrl', 'catalogUrl', 'warehouse', 'catalogSigning'] as const),
  ]);
  const { storeSecretArn } = configuration;
  const asked = parseSetting(ServedEvent, event ?? {}, 'The event');
  const target = openArchive({ ...configuration, signing: configuration.catalogSigning, token: null });
  const stop = AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - STOPPING_MS));
  const all = { side: 'store', node: 'all', secretArn: storeSecretArn } as const;
  const names = await beforeEnd(context, async (signal) => {
    const served = await servedNodes(asked, configuration, sessions);
    return sessions.use(all, (store) => readArchivedNodes(store, served), signal);
  });
  const nodes: ArchiverDocument[] = [];
  for (const node of names) {
    if (context.getRemainingTimeInMillis() < LEAST_MS) {
      logger.warn('no time for all nodes', { waiting: names.length - nodes.length });
      break;
    }
    const report = await archiveNode(node, { storeSecretArn, target, stop, context });
    if (configuration.nodeMetrics === 'on') publish(report);
    nodes.push(report);
  }
  const failed = nodes.filter(({ outcome }) => outcome === 'failed');
  publishCommon(metrics, [
    [
      'WorstDueUnitAgeInSeconds',
      MetricUnit.Seconds,
      Math.max(0, ...nodes.map(({ due_seconds: age }) => age ?? 0)),
    ],
    ['NodesNotArchived', MetricUnit.Count, nodes.filter(isNotServed).length],
  ]);
  if (failed.length === 0) return { nodes };
  const which = failed.map(({ node, reason }) => `${node} (${reason})`);
  throw new Error(`The archive of ${failed.length} of ${nodes.length} nodes failed: ${which.join('; ')}`);
}

function isNotServed({ outcome, units }: ArchiverDocument): boolean {
  return outcome === 'failed' || (outcome === 'busy' && units === 0);
}

async function archiveNode(node: string, work: Work): Promise<ArchiverDocument> {
  const { storeSecretArn, target, stop, context } = work;
  let [units, rows] = [0, 0n];
  let outcome: ArchiverDocument['outcome'];
  let reason: string | null = null;
  const onProgress = ({ state, checksum }: { state: string; checksum: { rows: bigint } | null }): void => {
    if (state !== 'verified') return;
    units += 1;
    rows += checksum?.rows ?? 0n;
  };
  try {
    const result = await beforeEnd(
      context,
      (signal) =>
        sessions.use(
          { side: 'store', node, secretArn: storeSecretArn },
          (store) => archiveRunWith(store, { node, target, signal: stop, onProgress }),
          signal,
        ),
      'the store, the bucket or the catalog does not answer',
    );
    outcome = result.outcome;
  } catch (error) {
    const fields = errorFields(error);
    outcome = stop.aborted && fields.code === 'INTERRUPTED' ? 'stopped' : 'failed';
    if (outcome === 'failed') {
      logger.error('archive failed', { node, ...fields });
      reason = `${fields.code}: ${fields.detail}`;
    }
  }
  const dueSeconds = await dueAge(node, work);
  const report = archiverDocument(node, { outcome, units, rows, dueSeconds, reason });
  logger.info('run of the archive ended', { ...report });
  return report;
}

/** null if the store does not answer. */
async function dueAge(node: string, { storeSecretArn, context }: Work): Promise<number | null> {
  const store = { side: 'store', node, secretArn: storeSecretArn } as const;
  try {
    return await beforeEnd(context, (signal) =>
      sessions.use(store, (session) => readDueUnitAge(session, node), signal),
    );
  } catch (error) {
    logger.warn('the age of units cannot be read', { node, ...errorFields(error) });
    return null;
  }
}

function publish({ node, units, rows, due_seconds: age }: ArchiverDocument): void {
  publishOf(metrics, node, [
    ['UnitsArchived', MetricUnit.Count, units],
    ['RowsArchived', MetricUnit.Count, Number(rows)],
    ['DueUnitAgeInSeconds', MetricUnit.Seconds, age],
  ]);
}
