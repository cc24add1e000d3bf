/**
 * Runs doctor for every node, or for one part of them. It reports to the topic and to health_events when a check begins or stops to
 * warn or fail, and once a day. The checks are in core/doctor.
 */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import type { Context } from 'aws-lambda';
import type { Diagnosis } from '../../core/doctor/check.ts';
import { diagnose } from '../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../core/doctor/facts.ts';
import { isNews, recordDiagnosis, troubles } from '../../core/doctor/record-diagnosis.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { type NodeHealthDocument, nodeHealthDocument } from '../../documents/checks.ts';
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
import {
  hasTimeForNode,
  ServedEvent,
  servedNodes,
  someAtATime,
  sourceSecretOf,
} from '../shared/served-nodes.ts';
import { type DatabaseReference, Sessions } from '../shared/sessions.ts';
import { type NodeDiagnosis, reportOf } from './report.ts';

const logger = createLogger('doctor');
const metrics = createMetrics('doctor');
const credentials = new Credentials();
const sessions = new Sessions(credentials);
const sns = new SNSClient({});
/** The last report of each node whose store did not answer. It lives as long as this environment. */
const told = new Map<string, { troubles: string[]; atMs: number }>();

export async function handler(event: unknown, context: Context): Promise<{ nodes: NodeHealthDocument[] }> {
  logger.addContext(context);
  const configuration = readConfiguration([
    'storeSecretArn',
    'sourceSecretArns',
    'sourceSecretPrefix',
    'nodesAtOnce',
    'nodeMetrics',
    'topicArn',
  ]);
  const { storeSecretArn, nodesAtOnce: atOnce, topicArn } = configuration;
  const asked = parseSetting(ServedEvent, event ?? {}, 'The event');
  const names = await beforeEnd(context, () => servedNodes(asked, configuration, sessions));
  const lanes = { atOnce, mayBegin: () => hasTimeForNode(context) };
  const nodes = await someAtATime(names, lanes, (node) =>
    beforeEnd(context, () => examine(node, storeSecretArn, sourceSecretOf(node, configuration))).catch(
      (error) => failed(node, error),
    ),
  );
  if (nodes.length < names.length)
    logger.warn('no time for all nodes', { waiting: names.length - nodes.length });
  if (configuration.nodeMetrics === 'on') for (const diagnosis of nodes) publishMetrics(diagnosis);
  publishCommon(metrics, [
    ['NodesWithGaps', MetricUnit.Count, nodes.filter(({ openGaps }) => (openGaps ?? 0) > 0).length],
  ]);
  const news = nodes.filter((diagnosis) => diagnosis.isNews);
  if (news.length > 0) {
    const { subject, message } = reportOf(news);
    await sns.send(
      new PublishCommand({
        TopicArn: topicArn,
        Subject: subject,
        Message: message,
        MessageStructure: 'json',
      }),
    );
  }
  return { nodes: nodes.map((diagnosis) => nodeHealthDocument(diagnosis.node, diagnosis)) };
}

type Examined = NodeDiagnosis & {
  readonly isNews: boolean;
  /** null if the store does not answer. */
  readonly openGaps: number | null;
};

async function examine(node: string, storeSecretArn: string, sourceSecretArn: string): Promise<Examined> {
  const store: DatabaseReference = { side: 'store', node, secretArn: storeSecretArn };
  // Opening sessions shows whether the credentials are still valid. Whether the databases answer is a check.
  await sessions.use(store, async () => {}).catch(() => {});
  await sessions.use({ side: 'source', node, secretArn: sourceSecretArn }, async () => {}).catch(() => {});
  const urls = {
    storeUrl: await credentials.url(storeSecretArn),
    sourceUrl: await credentials.url(sourceSecretArn),
  };
  const facts = await gatherFacts({ node, ...urls });
  const diagnosis = diagnose(facts);
  logger.info('examined', { node, status: diagnosis.status, checks: diagnosis.checks.filter(notOk) });
  const recordable =
    facts.store.facts !== null &&
    facts.store.facts.schema.version === facts.store.facts.schema.expected &&
    facts.store.facts.condition?.inRecovery !== true;
  const news = recordable
    ? await sessions.use(store, (session) => recordDiagnosis(session, node, diagnosis))
    : isNewsHere(node, diagnosis);
  return {
    node,
    ...diagnosis,
    isNews: news,
    openGaps: facts.store.facts?.overview?.openGaps.length ?? null,
  };
}

/** As recordDiagnosis(), if the store does not answer and cannot keep the last report. */
function isNewsHere(node: string, diagnosis: Diagnosis): boolean {
  const before = told.get(node);
  const [now, nowMs] = [troubles(diagnosis), performance.now()];
  const age = before && { troubles: before.troubles, ageSeconds: (nowMs - before.atMs) / 1000 };
  const news = isNews(age ?? null, now);
  if (news) told.set(node, { troubles: now, atMs: nowMs });
  return news;
}

/** If doctor itself fails, that is reported as a failed check. */
function failed(node: string, error: unknown): Examined {
  logger.error('examination failed', { node, ...errorFields(error) });
  const code = error instanceof TimewarpError ? error.code : 'INTERNAL';
  const message = `Doctor itself failed (${code}).`;
  const remedy = 'See the log of the doctor function.';
  const diagnosis: Diagnosis = {
    status: 'fail',
    checks: [{ code: 'doctor', status: 'fail', message, remedy }],
  };
  return { node, ...diagnosis, isNews: isNewsHere(node, diagnosis), openGaps: null };
}

function publishMetrics({ node, checks, openGaps }: Examined): void {
  const having = (status: string): number => checks.filter((check) => check.status === status).length;
  publishOf(metrics, node, [
    ['ChecksFailed', MetricUnit.Count, having('fail')],
    ['ChecksWarned', MetricUnit.Count, having('warn')],
    ['OpenGaps', MetricUnit.Count, openGaps],
  ]);
}

function notOk({ status }: { status: string }): boolean {
  return status !== 'ok';
}
