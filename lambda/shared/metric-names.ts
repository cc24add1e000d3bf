/**
 * The metrics of each node, each with the function that reports it. Alarms and dashboard must use these names only: an alarm on a
 * metric that no function reports never fires.
 */
export const METRICS_NAMESPACE = 'pgtimewarp';

export const METRIC_SERVICES = {
  /** 1 for a run that failed, or found its node blocked or in a gap; otherwise 0. */
  RunsFailed: 'poller',
  /** Another run of the node was under way. */
  RunsBusy: 'poller',
  DurationInMillis: 'poller',
  Transactions: 'poller',
  Changes: 'poller',
  LagInBytes: 'poller',
  /** The age of the horizon at the end of a run, also of a run that failed. */
  HorizonAgeInSeconds: 'poller',
  /** WAL that the slot keeps on the source, in percent of its budget. */
  WalBudgetUsedInPercent: 'poller',
  ChecksFailed: 'doctor',
  ChecksWarned: 'doctor',
  /** Open gaps of the node and of its tables. */
  OpenGaps: 'doctor',
} as const;

export type MetricName = keyof typeof METRIC_SERVICES;
