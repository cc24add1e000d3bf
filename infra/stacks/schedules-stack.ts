/** The schedules of a deployment as a stack of its own. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';
import type { Functions } from '../constructs/functions.ts';
import { Schedules } from '../constructs/schedules.ts';
import { observedNodes } from './from-configuration.ts';

interface SchedulesStackProps extends StackProps {
  readonly configuration: DeploymentConfiguration;
  readonly functions: Functions;
}

export class SchedulesStack extends Stack {
  constructor(scope: Construct, id: string, { configuration, functions, ...props }: SchedulesStackProps) {
    super(scope, id, props);
    const schedules = new Schedules(this, 'Default', {
      poller: functions.poller.function,
      doctor: functions.doctor.function,
      doctorEveryMinutes: configuration.doctor.everyMinutes,
    });
    for (const node of observedNodes(configuration)) schedules.observe(node);
  }
}
