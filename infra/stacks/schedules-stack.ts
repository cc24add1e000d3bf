/** When things run: every node at its own rate, and the doctor. A run that cannot start is left to the next one. */
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
      this.#schedule(`Poll-${node}`, `Reads node ${node}`, everyMinutes, poller, { node });
    }
    this.#schedule('Doctor', 'Examines all nodes', configuration.doctor.everyMinutes, doctor, {});
  }

  #schedule(id: string, description: string, everyMinutes: number, target: IFunction, input: object): void {
    new Schedule(this, id, {
      description,
      schedule: ScheduleExpression.rate(Duration.minutes(everyMinutes)),
      target: new LambdaInvoke(target, {
        role: this.#role.withoutPolicyUpdates(), // what it would add are the versions of the functions
        input: ScheduleTargetInput.fromObject(input),
        retryAttempts: 0,
        maxEventAge: Duration.minutes(1),
      }),
    });
  }
}
