/** Examines every node; what does not pass goes to the topic and into health_events. The diagnosis itself is core's. */
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import type { Context } from 'aws-lambda';
import type { Diagnosis } from '../../core/doctor/check.ts';
import { diagnose } from '../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../core/doctor/facts.ts';
import { recordDiagnosis } from '../../core/doctor/record-diagnosis.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { Credentials } from '../shared/credentials.ts';
import { beforeEnd } from '../shared/deadline.ts';
import { createLogger, createMetrics, errorFields, publishOf } from '../shared/observability.ts';
import { type DatabaseReference, Sessions } from '../shared/sessions.ts';

const logger = createLogger('doctor');
const metrics = createMetrics('doctor');
const credentials = new Credentials();
const sessions = new Sessions(credentials);
const sns = new SNSClient({});
/** SNS refuses longer subjects. */
const SUBJECT_LENGTH = 100;

type NodeDiagnosis = Diagnosis & {
  readonly node: string;
  /** null when the store cannot say. */
  readonly openGaps: number | null;
};

export async function handler(_event: unknown, context: Context): Promise<{ nodes: NodeDiagnosis[] }> {
  logger.addContext(context);
  const { storeSecretArn, sourceSecretArns, topicArn } = readConfiguration([
    'storeSecretArn',
    'sourceSecretArns',
    'topicArn',
  ]);
  const nodes = await Promise.all(
    Object.entries(sourceSecretArns).map(([node, sourceSecretArn]) =>
      beforeEnd(context, () => examine(node, storeSecretArn, sourceSecretArn)).catch((error) =>
        failed(node, error),
      ),
    ),
  );
  for (const diagnosis of nodes) publishMetrics(diagnosis);
  const bad = nodes.filter(({ status }) => status !== 'ok');
  if (bad.length > 0) {
    const worst = bad.some(({ status }) => status === 'fail') ? 'FAIL' : 'WARN';
    const subject = `pgtimewarp ${worst}: ${bad.map(({ node }) => node).join(', ')}`.slice(0, SUBJECT_LENGTH);
    await sns.send(
      new PublishCommand({ TopicArn: topicArn, Subject: subject, Message: bad.map(describe).join('\n\n') }),
    );
  }
  return { nodes };
}

async function examine(
  node: string,
  storeSecretArn: string,
  sourceSecretArn: string,
): Promise<NodeDiagnosis> {
  const store: DatabaseReference = { side: 'store', node, secretArn: storeSecretArn };
  // Opening them finds out whether the credentials still hold; whether they answer at all is among the facts.
  await sessions.use(store, async () => {}).catch(() => {});
  await sessions.use({ side: 'source', node, secretArn: sourceSecretArn }, async () => {}).catch(() => {});
  const urls = {
    storeUrl: await credentials.url(storeSecretArn),
    sourceUrl: await credentials.url(sourceSecretArn),
  };
  const facts = await gatherFacts({ node, ...urls });
  const diagnosis = diagnose(facts);
  logger.info('examined', { node, status: diagnosis.status, checks: diagnosis.checks.filter(notOk) });
  if (facts.store.facts !== null && facts.store.facts.schemaFound === facts.store.facts.schemaExpected) {
    await sessions.use(store, (session) => recordDiagnosis(session, node, diagnosis));
  }
  return { node, ...diagnosis, openGaps: facts.store.facts?.overview?.openGaps.length ?? null };
}

/** A doctor that cannot work is a finding too. */
function failed(node: string, error: unknown): NodeDiagnosis {
  logger.error('examination failed', { node, ...errorFields(error) });
  const code = error instanceof TimewarpError ? error.code : 'INTERNAL';
  const message = `The examination failed (${code}).`;
  const remedy = 'See the log of the doctor function.';
  return {
    node,
    status: 'fail',
    checks: [{ code: 'doctor', status: 'fail', message, remedy }],
    openGaps: null,
  };
}

function publishMetrics({ node, checks, openGaps }: NodeDiagnosis): void {
  const having = (status: string): number => checks.filter((check) => check.status === status).length;
  publishOf(metrics, node, [
    ['ChecksFailed', MetricUnit.Count, having('fail')],
    ['ChecksWarned', MetricUnit.Count, having('warn')],
    ['OpenGaps', MetricUnit.Count, openGaps],
  ]);
}

function describe({ node, checks }: NodeDiagnosis): string {
  const lines = checks
    .filter(notOk)
    .map(
      ({ status, code, message, remedy }) =>
        `${status.toUpperCase()} [${code}] ${message}\n  ${remedy ?? ''}`,
    );
  return [`Node ${node}`, ...lines].join('\n');
}

function notOk({ status }: { status: string }): boolean {
  return status !== 'ok';
}
