/** The schedules of a deployment as a stack of its own; those of many nodes need several. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';
import type { Functions } from '../constructs/functions.ts';
import type { ObservedNode } from '../constructs/observed-node.ts';
import { Schedules } from '../constructs/schedules.ts';

interface SchedulesStackProps extends StackProps {
  readonly configuration: DeploymentConfiguration;
  readonly functions: Functions;
  /** The nodes whose schedules are in this stack. */
  readonly nodes: readonly ObservedNode[];
  /** false: only schedules of nodes; the first stack has the others. */
  readonly isFirst: boolean;
}

export class SchedulesStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    { configuration, functions, nodes, isFirst, ...props }: SchedulesStackProps,
  ) {
    super(scope, id, props);
    const { archiver } = functions;
    const { archive } = configuration;
    const schedules = new Schedules(this, 'Default', {
      poller: functions.poller.function,
      doctor: functions.doctor.function,
      doctorEveryMinutes: configuration.doctor.everyMinutes,
      archiver:
        archiver === null || archive === null
          ? null
          : { function: archiver.function, everyMinutes: archive.everyMinutes },
      parts: configuration.functions.parts,
      isFirst,
    });
    for (const node of nodes) schedules.observe(node);
  }
}
