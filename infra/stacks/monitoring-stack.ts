/** The alarms and the dashboard of a deployment as a stack of its own. */
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import type { HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';
import type { Functions } from '../constructs/functions.ts';
import { Monitoring } from '../constructs/monitoring.ts';
import { observedNodes } from './from-configuration.ts';

interface MonitoringStackProps extends StackProps {
  readonly configuration: DeploymentConfiguration;
  readonly functions: Functions;
  /** null: the deployment has no API. */
  readonly stage: HttpStage | null;
}

export class MonitoringStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    { configuration, functions, stage, ...props }: MonitoringStackProps,
  ) {
    super(scope, id, props);
    const { poller, doctor, api, alerts } = functions;
    const { alarms } = configuration;
    const monitoring = new Monitoring(this, 'Default', {
      functions: {
        poller: poller.function,
        doctor: doctor.function,
        ...(api === null ? {} : { api: api.function }),
      },
      stage,
      alerts: alerts.topic,
      limits: {
        horizonAge: Duration.seconds(alarms.horizonAgeSeconds),
        walBudgetPercent: alarms.walBudgetPercent,
        apiP99: Duration.millis(alarms.apiP99Ms),
      },
      doctorEveryMinutes: configuration.doctor.everyMinutes,
    });
    for (const node of observedNodes(configuration)) monitoring.observe(node);
  }
}
