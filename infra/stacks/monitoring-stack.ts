/** The alarms and the dashboard of a deployment as a stack of its own; those of many nodes need several. */
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import type { HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';
import type { Functions } from '../constructs/functions.ts';
import { Monitoring } from '../constructs/monitoring.ts';
import type { ObservedNode } from '../constructs/observed-node.ts';

interface MonitoringStackProps extends StackProps {
  readonly configuration: DeploymentConfiguration;
  readonly functions: Functions;
  /** null: the deployment has no API. */
  readonly stage: HttpStage | null;
  /** The nodes whose alarms are in this stack. */
  readonly nodes: readonly ObservedNode[];
  /** false: only alarms of nodes; the first stack has the others. */
  readonly isFirst: boolean;
}

export class MonitoringStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    { configuration, functions, stage, nodes, isFirst, ...props }: MonitoringStackProps,
  ) {
    super(scope, id, props);
    const { poller, doctor, api, archiver, alerts } = functions;
    const { alarms } = configuration;
    const monitoring = new Monitoring(this, 'Default', {
      functions: {
        poller: poller.function,
        doctor: doctor.function,
        ...(api === null ? {} : { api: api.function }),
        ...(archiver === null ? {} : { archiver: archiver.function }),
      },
      archiveEveryMinutes: configuration.archive?.everyMinutes ?? null,
      stage,
      alerts: alerts.topic,
      limits: {
        horizonAge: Duration.seconds(alarms.horizonAgeSeconds),
        walBudgetPercent: alarms.walBudgetPercent,
        apiP99: Duration.millis(alarms.apiP99Ms),
        archiveAge: Duration.seconds(alarms.archiveAgeSeconds),
      },
      doctorEveryMinutes: configuration.doctor.everyMinutes,
      eachNode: alarms.eachNode,
      isFirst,
      otherMinutes: configuration.nodes.map(({ everyMinutes }) => everyMinutes),
    });
    for (const node of nodes) monitoring.observe(node);
  }
}
