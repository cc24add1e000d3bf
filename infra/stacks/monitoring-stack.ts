/**
 * Alarms and one dashboard. Every alarm says how it treats missing data. If missing data is itself the fault (no run or doctor
 * reported), the alarm fires. If it only means that nothing happened, it does not.
 */
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import type { HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import {
  Alarm,
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
import type { Construct } from 'constructs';
import type { MetricName } from '../../lambda/shared/metric-names.ts';
import type { DeploymentConfiguration } from '../config/schema.ts';
import { nodeMetric } from '../constructs/node-metrics.ts';

interface MonitoringStackProps extends StackProps {
  readonly configuration: DeploymentConfiguration;
  readonly functions: { readonly poller: IFunction; readonly doctor: IFunction; readonly api?: IFunction };
  /** null: the deployment has no API. */
  readonly api: { readonly stage: HttpStage; readonly p99Ms: number } | null;
  readonly alerts: ITopic;
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

export class MonitoringStack extends Stack {
  readonly #action: SnsAction;

  constructor(scope: Construct, id: string, props: MonitoringStackProps) {
    super(scope, id, props);
    const { configuration, functions, api, alerts } = props;
    this.#action = new SnsAction(alerts);
    for (const { node, everyMinutes } of configuration.nodes) {
      this.#watchNode(node, Duration.minutes(everyMinutes), configuration);
    }
    this.#watchFunctions(functions, Duration.minutes(configuration.doctor.everyMinutes));
    if (api !== null) this.#watchApi(api.stage, api.p99Ms);
    this.#dashboard(configuration, functions, api?.stage ?? null);
  }

  #watchNode(node: string, run: Duration, { alarms, doctor }: DeploymentConfiguration): void {
    const metric = (name: MetricName, period: Duration): IMetric =>
      nodeMetric(name, node, { statistic: Stats.MAXIMUM, period });
    this.#alarm(`HorizonAge-${node}`, {
      metric: metric('HorizonAgeInSeconds', run),
      description: `The history of ${node} is behind, or no run reports: see its runs in the log of the poller.`,
      threshold: alarms.horizonAgeSeconds,
      periods: 3,
      missing: BREACHING,
    });
    this.#alarm(`SlotWal-${node}`, {
      metric: metric('WalBudgetUsedInPercent', run),
      description: `The slot of ${node} keeps too much of its WAL budget on the source: doctor names what holds the WAL.`,
      threshold: alarms.walBudgetPercent,
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
      metric: metric('OpenGaps', Duration.minutes(doctor.everyMinutes)),
      description: `Changes of ${node} were lost: rebaseline, by command or maintenance event (docs/run-books.md).`,
      threshold: 1,
      operator: AT_LEAST,
      missing: IGNORE, // a doctor that cannot read the store does not end the alarm
    });
  }

  #watchFunctions(functions: MonitoringStackProps['functions'], examination: Duration): void {
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

  #watchApi(stage: HttpStage, p99Ms: number): void {
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
      threshold: p99Ms,
      periods: 3,
      missing: NOT_BREACHING,
    });
  }

  #alarm(id: string, { metric, description, threshold, missing, periods = 1, operator }: AlarmRule): void {
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
  }

  #dashboard(
    { nodes, doctor }: DeploymentConfiguration,
    functions: MonitoringStackProps['functions'],
    stage: HttpStage | null,
  ): void {
    // biome-ignore lint/complexity/useMaxParams: a local shorthand for one kind of widget
    const perNode = (title: string, name: MetricName, statistic: string, period = Duration.minutes(1)) =>
      new GraphWidget({
        title,
        width: 8,
        left: nodes.map(({ node }) => nodeMetric(name, node, { statistic, period }).with({ label: node })),
      });
    const examination = Duration.minutes(doctor.everyMinutes);
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
        ...(stage === null ? [] : [answers(stage)]),
      ],
    });
  }
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
