/** Logs and metrics of the functions: structured lines on stdout. A failure shows its code, never a secret. */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, type MetricUnit } from '@aws-lambda-powertools/metrics';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { messageWithoutData, stackWithoutData } from '../../core/pg/database-error.ts';
import { type CommonMetricName, METRICS_NAMESPACE, type MetricName } from './metric-names.ts';

export function createLogger(serviceName: string): Logger {
  return new Logger({ serviceName });
}

/** The name of the function is a dimension, because other deployments in the account report metrics of the same names. */
export function createMetrics(serviceName: string): Metrics {
  const defaultDimensions = { function_name: process.env.AWS_LAMBDA_FUNCTION_NAME ?? serviceName };
  return new Metrics({ namespace: METRICS_NAMESPACE, serviceName, defaultDimensions });
}

type Unit = (typeof MetricUnit)[keyof typeof MetricUnit];

/** Publishes one set of metrics of a node. It does not await between them, so that the metrics of two nodes do not mix. */
export function publishOf(
  metrics: Metrics,
  node: string,
  values: readonly (readonly [name: MetricName, unit: Unit, value: number | null | undefined])[],
): void {
  metrics.addDimension('node', node);
  for (const [name, unit, value] of values) if (value != null) metrics.addMetric(name, unit, value);
  metrics.publishStoredMetrics();
  metrics.clearDimensions();
}

/** Publishes metrics of all nodes together. */
export function publishCommon(
  metrics: Metrics,
  values: readonly (readonly [name: CommonMetricName, unit: Unit, value: number | null | undefined])[],
): void {
  for (const [name, unit, value] of values) if (value != null) metrics.addMetric(name, unit, value);
  metrics.publishStoredMetrics();
}

/** Any thrown value as fields of a log line (the logger itself uses `message`). The cause is shown only for faults of this program. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof TimewarpError)) {
    return {
      code: 'INTERNAL',
      detail: messageWithoutData(error),
      stack: stackOf(error),
    };
  }
  const { code, message, remedy, facts, action } = error;
  return {
    code,
    detail: message,
    remedy,
    facts,
    ...(action === 'bug' ? { stack: stackOf(error.cause ?? error) } : {}),
  };
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? stackWithoutData(error) : undefined;
}
