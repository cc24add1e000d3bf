/** The metrics that the functions of a deployment report, by the names and dimensions with which they do. */
import type { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import {
  COMMON_METRIC_SERVICES,
  type CommonMetricName,
  METRIC_SERVICES,
  METRICS_NAMESPACE,
  type MetricName,
} from '../../lambda/shared/metric-names.ts';

/** The functions that report. */
interface Reporters {
  readonly poller: IFunction;
  readonly doctor: IFunction;
  readonly archiver?: IFunction;
}

interface Reading {
  readonly statistic: string;
  readonly period: Duration;
}

export class OwnMetrics {
  readonly #functions: Reporters;

  constructor(functions: Reporters) {
    this.#functions = functions;
  }

  ofNode(metricName: MetricName, node: string, reading: Reading): Metric {
    return this.#metric(metricName, METRIC_SERVICES[metricName], { ...reading, dimensions: { node } });
  }

  /** A metric of all nodes together. */
  ofAll(metricName: CommonMetricName, period: Duration): Metric {
    const reading = { statistic: 'Maximum', period, dimensions: {} };
    return this.#metric(metricName, COMMON_METRIC_SERVICES[metricName], reading);
  }

  #metric(
    metricName: string,
    service: keyof Reporters,
    { dimensions, ...reading }: Reading & { readonly dimensions: Record<string, string> },
  ): Metric {
    const reporter = this.#functions[service];
    if (reporter === undefined)
      throw new Error(`The deployment has no ${service}, which reports ${metricName}.`);
    const dimensionsMap = { service, function_name: reporter.functionName, ...dimensions };
    return new Metric({ namespace: METRICS_NAMESPACE, metricName, dimensionsMap, ...reading });
  }
}
