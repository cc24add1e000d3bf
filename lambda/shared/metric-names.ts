/**
 * The metrics that the functions report, each with the function that does, per node. Alarms and dashboard name them from
 * here; nothing else may be named, because an alarm on a metric that nobody reports never rings.
 */
export const METRICS_NAMESPACE = 'pgtimewarp';

export const METRIC_SERVICES = {
  /** Failed, blocked, or in a gap: 0 or 1 a run. */
  RunsFailed: 'poller',
  /** Another run of the node was under way. */
  RunsBusy: 'poller',
  DurationInMillis: 'poller',
  Transactions: 'poller',
  Changes: 'poller',
  LagInBytes: 'poller',
  /** Up to when the store is complete, as seen at the end of a run, whatever became of it. */
  HorizonAgeInSeconds: 'poller',
  /** WAL that the slot keeps on the source, in percent of what it may. */
  WalBudgetUsedInPercent: 'poller',
  ChecksFailed: 'doctor',
  ChecksWarned: 'doctor',
  /** Of the node or of one of its tables. */
  OpenGaps: 'doctor',
} as const;

export type MetricName = keyof typeof METRIC_SERVICES;
