/** The schedules: of the runs, each node at its own rate, and of doctor. A run that cannot start is not retried: the next one follows. */
import { Aws, Duration, Stack, type StackProps } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';

interface SchedulesStackProps extends StackProps {
  readonly configuration: DeploymentConfiguration;
  readonly poller: IFunction;
  readonly doctor: IFunction;
}

interface ScheduleRule {
  readonly description: string;
  readonly everyMinutes: number;
  readonly target: IFunction;
  /** The event that the function gets. */
  readonly input: object;
}

export class SchedulesStack extends Stack {
  readonly #role: Role;

  constructor(
    scope: Construct,
    id: string,
    { configuration, poller, doctor, ...props }: SchedulesStackProps,
  ) {
    super(scope, id, props);
    this.#role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    });
    this.#role.addToPolicy(
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: [poller.functionArn, doctor.functionArn],
      }),
    );
    for (const { node, everyMinutes } of configuration.nodes) {
      this.#schedule(`Poll-${node}`, {
        description: `Reads node ${node}`,
        everyMinutes,
        target: poller,
        input: { node },
      });
    }
    this.#schedule('Doctor', {
      description: 'Examines all nodes',
      everyMinutes: configuration.doctor.everyMinutes,
      target: doctor,
      input: {},
    });
  }

  #schedule(id: string, { description, everyMinutes, target, input }: ScheduleRule): void {
    new Schedule(this, id, {
      description,
      schedule: ScheduleExpression.rate(Duration.minutes(everyMinutes)),
      target: new LambdaInvoke(target, {
        role: this.#role.withoutPolicyUpdates(), // it would only add the versions of the functions
        input: ScheduleTargetInput.fromObject(input),
        retryAttempts: 0,
        maxEventAge: Duration.minutes(1),
      }),
    });
  }
}
