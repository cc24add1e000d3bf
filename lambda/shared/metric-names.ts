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
  UnitsArchived: 'archiver',
  RowsArchived: 'archiver',
  /** How long the oldest unit that is not verified has been due. */
  DueUnitAgeInSeconds: 'archiver',
} as const;

/** The metrics of all nodes together: they have no dimension `node`. */
export const COMMON_METRIC_SERVICES = {
  /** How far the history that is the furthest behind is, by the store: also of a node that no run serves. */
  WorstHorizonAgeInSeconds: 'poller',
  /** Of the slot that uses most of its budget, of the nodes of an invocation. */
  WorstWalBudgetUsedInPercent: 'poller',
  /** How many nodes of an invocation failed, or are blocked or in a gap. */
  NodesFailed: 'poller',
  /** How many nodes of an examination have an open gap. */
  NodesWithGaps: 'doctor',
  /** Of the unit that has been due the longest. */
  WorstDueUnitAgeInSeconds: 'archiver',
  /** How many nodes a run of the archive could not serve: it failed, or they were busy all the time. */
  NodesNotArchived: 'archiver',
} as const;

export type CommonMetricName = keyof typeof COMMON_METRIC_SERVICES;
export type MetricName = keyof typeof METRIC_SERVICES;
