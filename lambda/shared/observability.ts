/** Logs and metrics of the functions: structured lines on stdout, in which a failure shows its code and never a secret. */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

export const METRICS_NAMESPACE = 'pgtimewarp';

export function createLogger(serviceName: string): Logger {
  return new Logger({ serviceName });
}

export function createMetrics(serviceName: string): Metrics {
  return new Metrics({ namespace: METRICS_NAMESPACE, serviceName });
}

/** Whatever was thrown, as fields of a log line (`message` is the logger's own). Causes stay out of it unless they are ours to mend. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof TimewarpError)) {
    return {
      code: 'INTERNAL',
      detail: error instanceof Error ? error.message : String(error),
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
  return error instanceof Error ? error.stack : undefined;
}
