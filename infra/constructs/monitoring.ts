/**
 * Alarms and one dashboard. Every alarm says how it treats missing data. If missing data is itself the fault (no run or doctor
 * reported), the alarm fires. If it only means that nothing happened, it does not.
 */
import { Duration, Lazy } from 'aws-cdk-lib';
import type { HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import {
  Alarm,
  type CfnAlarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { MetricName } from '../../lambda/shared/metric-names.ts';
import type { ObservedNode } from './observed-node.ts';
import { OwnMetrics } from './own-metrics.ts';

/** When an alarm rings. */
export interface AlarmLimits {
  /**
   * History is this much behind, for three runs.
   * @default Duration.minutes(5)
   */
  readonly horizonAge?: Duration;
  /**
   * A slot keeps more than this part of its WAL budget on the source.
   * @default 50
   */
  readonly walBudgetPercent?: number;
  /**
   * One answer in a hundred of the HTTP API takes longer.
   * @default Duration.seconds(2)
   */
  readonly apiP99?: Duration;
  /**
   * History that is due to be archived has waited for so long.
   * @default Duration.hours(12)
   */
  readonly archiveAge?: Duration;
}

interface MonitoringProps {
  readonly functions: {
    readonly poller: IFunction;
    readonly doctor: IFunction;
    readonly api?: IFunction;
    readonly archiver?: IFunction;
  };
  /** How often the archiver runs; null: there is none. */
  readonly archiveEveryMinutes: number | null;
  /** null: the deployment has no API. */
  readonly stage: HttpStage | null;
  readonly alerts: ITopic;
  readonly limits: AlarmLimits;
  readonly doctorEveryMinutes: number;
  /** Whether nodes have alarms and lines of their own. */
  readonly eachNode: boolean;
  /** false: only alarms and lines of nodes, beside another construct that watches everything else. */
  readonly isFirst: boolean;
  /** The times between two runs of nodes that another construct observes. */
  readonly otherMinutes?: readonly number[];
}

interface AlarmRule {
  readonly metric: IMetric;
  readonly description: string;
  readonly threshold: number;
  readonly missing: TreatMissingData;
  /** How many periods in a row; default 1. */
  readonly periods?: number;
  readonly operator?: ComparisonOperator;
}

const { BREACHING, NOT_BREACHING, IGNORE } = TreatMissingData;
const AT_LEAST = ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD;
const FIVE_MINUTES = Duration.minutes(5);
const SECONDS_OF_A_MINUTE = 60;

export class Monitoring extends Construct {
  readonly alarms: Alarm[] = [];
  readonly #action: SnsAction;
  readonly #metrics: OwnMetrics;
  readonly #limits: Required<AlarmLimits>;
  readonly #examination: Duration;
  readonly #eachNode: boolean;
  /** The time between two runs, of each node. */
  readonly #minutes: number[];
  /** The graphs with a line for each node. */
  readonly #graphs: { readonly widget: GraphWidget; readonly lineOf: (node: string) => IMetric }[] = [];

  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const { functions, stage, alerts, limits } = props;
    this.#action = new SnsAction(alerts);
    this.#metrics = new OwnMetrics(functions);
    this.#limits = {
      horizonAge: limits.horizonAge ?? Duration.minutes(5),
      walBudgetPercent: limits.walBudgetPercent ?? 50,
      apiP99: limits.apiP99 ?? Duration.seconds(2),
      archiveAge: limits.archiveAge ?? Duration.hours(12),
    };
    this.#examination = Duration.minutes(props.doctorEveryMinutes);
    this.#eachNode = props.eachNode;
    this.#minutes = [...(props.otherMinutes ?? [])];
    if (props.isFirst) {
      this.#watchFunctions(functions);
      if (stage !== null) this.#watchApi(stage);
      this.#watchWorst();
      if (props.archiveEveryMinutes !== null) this.#watchArchive(Duration.minutes(props.archiveEveryMinutes));
    }
    this.#dashboard(props);
  }

  /** Makes the alarms of a node and its lines in the graphs. */
  observe({ node, everyMinutes }: ObservedNode): void {
    this.#minutes.push(everyMinutes);
    if (!this.#eachNode) return;
    const run = Duration.minutes(everyMinutes);
    for (const { widget, lineOf } of this.#graphs) widget.addLeftMetric(lineOf(node));
    const metric = (name: MetricName, period: Duration): IMetric =>
      this.#metrics.ofNode(name, node, { statistic: Stats.MAXIMUM, period });
    this.#alarm(`HorizonAge-${node}`, {
      metric: metric('HorizonAgeInSeconds', run),
      description: `The history of ${node} is behind, or no run reports: see its runs in the log of the poller.`,
      threshold: this.#limits.horizonAge.toSeconds(),
      periods: 3,
      missing: BREACHING,
    });
    this.#alarm(`SlotWal-${node}`, {
      metric: metric('WalBudgetUsedInPercent', run),
      description: `The slot of ${node} keeps too much of its WAL budget on the source: doctor names what holds the WAL.`,
      threshold: this.#limits.walBudgetPercent,
      missing: IGNORE, // a failed run reports no value; the alarm of the horizon fires then
    });
    this.#alarm(`RunsFailed-${node}`, {
      metric: metric('RunsFailed', run),
      description: `Three runs of ${node} in a row failed: the log of the poller names the cause.`,
      threshold: 1,
      periods: 3,
      operator: AT_LEAST,
      missing: NOT_BREACHING, // the alarm of the horizon covers missing runs
    });
    this.#alarm(`Gaps-${node}`, {
      metric: metric('OpenGaps', this.#examination),
      description: `Changes of ${node} were lost: rebaseline, by command or maintenance event (docs/run-books.md).`,
      threshold: 1,
      operator: AT_LEAST,
      missing: IGNORE, // a doctor that cannot read the store does not end the alarm
    });
  }

  /** The node that is the furthest behind, and, if nodes have no alarms of their own, what these would tell. */
  #watchWorst(): void {
    const minute = Duration.minutes(1);
    const worst = this.#alarm('WorstHorizonAge', {
      metric: this.#metrics.ofAll('WorstHorizonAgeInSeconds', minute),
      description:
        'The history of a node is behind, or no run reports: status shows the horizons of all nodes.',
      // the horizon of a node that is read every hour is an hour old before its run
      threshold: Lazy.number({
        produce: () =>
          this.#limits.horizonAge.toSeconds() + (Math.max(1, ...this.#minutes) - 1) * SECONDS_OF_A_MINUTE,
      }),
      periods: 3,
      missing: BREACHING,
    });
    const period = Lazy.number({ produce: () => this.#reportsEvery() * SECONDS_OF_A_MINUTE });
    (worst.node.defaultChild as CfnAlarm).period = period;
    if (this.#eachNode) return;
    this.#alarm('WorstSlotWal', {
      metric: this.#metrics.ofAll('WorstWalBudgetUsedInPercent', minute),
      description:
        'The slot of a node keeps too much of its WAL budget on the source: doctor names node and cause.',
      threshold: this.#limits.walBudgetPercent,
      missing: IGNORE,
    });
    this.#alarm('AnyRunsFailed', {
      metric: this.#metrics.ofAll('NodesFailed', FIVE_MINUTES),
      description: 'Runs of a node fail: the log of the poller names node and cause.',
      threshold: 1,
      periods: 3,
      operator: AT_LEAST,
      missing: NOT_BREACHING,
    });
    this.#alarm('AnyGaps', {
      metric: this.#metrics.ofAll('NodesWithGaps', this.#examination),
      description:
        'Changes of a node were lost: rebaseline, by command or maintenance event (docs/run-books.md).',
      threshold: 1,
      operator: AT_LEAST,
      missing: IGNORE,
    });
  }

  /** Every run reports the worst age, so a silent period is one without a run of any node. */
  #reportsEvery(): number {
    return this.#minutes.length === 0 ? 1 : Math.min(...this.#minutes);
  }

  #watchFunctions(functions: MonitoringProps['functions']): void {
    const examination = this.#examination;
    for (const [name, each] of Object.entries(functions) as [string, IFunction][]) {
      this.#alarm(`Throttles-${name}`, {
        metric: each.metricThrottles({ period: FIVE_MINUTES, statistic: Stats.SUM }),
        description: `Lambda refuses calls of the function ${name}: raise its concurrency or that of the account.`,
        threshold: 1,
        operator: AT_LEAST,
        missing: NOT_BREACHING,
      });
    }
    this.#alarm('DoctorSilent', {
      metric: functions.doctor.metricInvocations({ period: examination, statistic: Stats.SUM }),
      description: 'Doctor does not run: check its schedule.',
      threshold: 1,
      periods: 2,
      operator: ComparisonOperator.LESS_THAN_THRESHOLD,
      missing: BREACHING,
    });
    this.#alarm('DoctorFails', {
      metric: functions.doctor.metricErrors({ period: examination, statistic: Stats.SUM }),
      description: 'Doctor ends with an error: its log names the cause.',
      threshold: 1,
      operator: AT_LEAST,
      missing: NOT_BREACHING,
    });
  }

  #watchArchive(every: Duration): void {
    this.#alarm('ArchiveFails', {
      metric: this.#metrics.ofAll('NodesNotArchived', every),
      description:
        'Three runs of the archive in a row failed, or found a node busy, or none reports: the log of the archiver names the cause.',
      threshold: 1,
      periods: 3,
      operator: AT_LEAST,
      missing: BREACHING,
    });
    this.#alarm('ArchiveLate', {
      metric: this.#metrics.ofAll('WorstDueUnitAgeInSeconds', every),
      description:
        'History has been due to be archived for too long, and retention waits for it: the log of the archiver names the node.',
      threshold: this.#limits.archiveAge.toSeconds(),
      missing: IGNORE, // the alarm above covers missing runs
    });
  }

  #watchApi(stage: HttpStage): void {
    this.#alarm('ApiErrors', {
      metric: stage.metricServerError({ period: FIVE_MINUTES, statistic: Stats.SUM }),
      description: 'The HTTP API answers 5xx: the log of the api function has the instance of each.',
      threshold: 1,
      operator: AT_LEAST,
      missing: NOT_BREACHING,
    });
    this.#alarm('ApiLatency', {
      metric: stage.metricLatency({ period: FIVE_MINUTES, statistic: Stats.percentile(99) }),
      description:
        'One answer in a hundred takes longer than the limit: check capacity and connections of the store.',
      threshold: this.#limits.apiP99.toMilliseconds(),
      periods: 3,
      missing: NOT_BREACHING,
    });
  }

  #alarm(id: string, { metric, description, threshold, missing, periods = 1, operator }: AlarmRule): Alarm {
    const alarm = new Alarm(this, id, {
      metric,
      alarmDescription: description,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator: operator ?? ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: missing,
    });
    alarm.addAlarmAction(this.#action);
    alarm.addOkAction(this.#action);
    this.alarms.push(alarm);
    return alarm;
  }

  #dashboard({ functions, stage, archiveEveryMinutes }: MonitoringProps): void {
    const examination = this.#examination;
    // biome-ignore lint/complexity/useMaxParams: a local shorthand for one kind of widget
    const perNode = (title: string, name: MetricName, statistic: string, period = Duration.minutes(1)) => {
      const widget = new GraphWidget({ title, width: 8 });
      const lineOf = (node: string) =>
        this.#metrics.ofNode(name, node, { statistic, period }).with({ label: node });
      this.#graphs.push({ widget, lineOf });
      return widget;
    };
    new Dashboard(this, 'Dashboard', {
      widgets: [
        [
          perNode('Age of the horizon (s)', 'HorizonAgeInSeconds', Stats.MAXIMUM),
          perNode('WAL kept by the slot (% of its budget)', 'WalBudgetUsedInPercent', Stats.MAXIMUM),
          perNode('WAL not read yet (bytes)', 'LagInBytes', Stats.MAXIMUM),
        ],
        [
          perNode('Changes', 'Changes', Stats.SUM),
          perNode('Transactions', 'Transactions', Stats.SUM),
          perNode('Time of a run (ms)', 'DurationInMillis', Stats.MAXIMUM),
        ],
        [
          perNode('Runs that failed', 'RunsFailed', Stats.SUM),
          perNode('Runs that found another under way', 'RunsBusy', Stats.SUM),
          perNode('Gaps', 'OpenGaps', Stats.MAXIMUM, examination),
        ],
        [
          perNode('Checks that fail', 'ChecksFailed', Stats.MAXIMUM, examination),
          perNode('Checks that warn', 'ChecksWarned', Stats.MAXIMUM, examination),
          new GraphWidget({
            title: 'Functions refused',
            width: 8,
            left: Object.values(functions).map((each: IFunction) => each.metricThrottles()),
          }),
        ],
        [
          new GraphWidget({
            title: 'Age of the oldest horizon (s)',
            width: 8,
            left: [this.#metrics.ofAll('WorstHorizonAgeInSeconds', Duration.minutes(1))],
          }),
        ],
        ...(archiveEveryMinutes === null
          ? []
          : [archived(this.#metrics, Duration.minutes(archiveEveryMinutes))]),
        ...(stage === null ? [] : [answers(stage)]),
      ],
    });
  }
}

function archived(metrics: OwnMetrics, every: Duration): GraphWidget[] {
  return [
    new GraphWidget({
      title: 'Age of the unit that has been due the longest (s)',
      width: 8,
      left: [metrics.ofAll('WorstDueUnitAgeInSeconds', every)],
    }),
    new GraphWidget({
      title: 'Nodes that a run of the archive could not serve',
      width: 8,
      left: [metrics.ofAll('NodesNotArchived', every)],
    }),
  ];
}

function answers(stage: HttpStage): GraphWidget[] {
  const [p50, p99] = [50, 99].map(Stats.percentile) as [string, string];
  return [
    new GraphWidget({ title: 'Requests', width: 8, left: [stage.metricCount()] }),
    new GraphWidget({
      title: 'Answers 4xx and 5xx',
      width: 8,
      left: [stage.metricClientError(), stage.metricServerError()],
    }),
    new GraphWidget({
      title: 'Time of an answer (ms)',
      width: 8,
      left: [stage.metricLatency({ statistic: p50 }), stage.metricLatency({ statistic: p99 })],
    }),
  ];
}
