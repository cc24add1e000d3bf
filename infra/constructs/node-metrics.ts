/** The metrics of a node, by the names and dimensions with which the functions report them. */
import type { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import {
  COMMON_METRIC_SERVICES,
  type CommonMetricName,
  METRIC_SERVICES,
  METRICS_NAMESPACE,
  type MetricName,
} from '../../lambda/shared/metric-names.ts';

export function nodeMetric(
  metricName: MetricName,
  node: string,
  { statistic, period }: { readonly statistic: string; readonly period: Duration },
): Metric {
  return new Metric({
    namespace: METRICS_NAMESPACE,
    metricName,
    dimensionsMap: { service: METRIC_SERVICES[metricName], node },
    statistic,
    period,
  });
}

/** A metric of all nodes together. */
export function commonMetric(metricName: CommonMetricName, period: Duration, statistic = 'Maximum'): Metric {
  return new Metric({
    namespace: METRICS_NAMESPACE,
    metricName,
    dimensionsMap: { service: COMMON_METRIC_SERVICES[metricName] },
    statistic,
    period,
  });
}
