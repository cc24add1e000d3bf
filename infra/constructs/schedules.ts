/** The schedules: of the runs, each node at its own rate, and of doctor. A run that cannot start is not retried: the next one follows. */
import { Aws, Duration } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import type { ObservedNode } from './observed-node.ts';

interface SchedulesProps {
  readonly poller: IFunction;
  readonly doctor: IFunction;
  readonly doctorEveryMinutes: number;
  /** null: there is no archive. */
  readonly archiver: { readonly function: IFunction; readonly everyMinutes: number } | null;
  /** How many parts the examinations of doctor have; null: one, and the runs of each node have a schedule. */
  readonly parts?: number | null;
  /** false: only the runs of nodes, beside another construct that has the schedules of all nodes. */
  readonly isFirst?: boolean;
}

interface ScheduleRule {
  readonly description: string;
  readonly everyMinutes: number;
  readonly target: IFunction;
  /** The event that the function gets. */
  readonly input: object;
}

export class Schedules extends Construct {
  readonly #poller: IFunction;
  readonly #parts: number | null;
  readonly #role: Role;

  constructor(scope: Construct, id: string, props: SchedulesProps) {
    super(scope, id);
    const { poller, doctor, doctorEveryMinutes, archiver, parts = null, isFirst = true } = props;
    this.#poller = poller;
    this.#parts = parts;
    this.#role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    });
    this.#role.addToPolicy(
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: [
          ...[poller.functionArn, doctor.functionArn],
          ...(archiver === null ? [] : [archiver.function.functionArn]),
        ],
      }),
    );
    if (!isFirst) return;
    if (archiver !== null)
      this.#schedule('Archive', {
        description: 'Archives what is due',
        everyMinutes: archiver.everyMinutes,
        target: archiver.function,
        input: {},
      });
    for (let part = 0; part < (parts ?? 1); part++) {
      const [suffix, ofWhat] = parts === null ? ['', 'all nodes'] : [`-${part}`, `part ${part} of ${parts}`];
      const input = parts === null ? {} : { part, of: parts };
      this.#schedule(`Doctor${suffix}`, {
        description: `Examines ${ofWhat}`,
        everyMinutes: doctorEveryMinutes,
        target: doctor,
        input,
      });
      if (parts !== null)
        this.#schedule(`Poll-part-${part}`, {
          description: `Reads ${ofWhat}`,
          everyMinutes: 1,
          target: poller,
          input,
        });
    }
  }

  /** Starts the runs of a node, unless all nodes are served in parts. */
  observe({ node, everyMinutes }: ObservedNode): void {
    if (this.#parts !== null) return;
    this.#schedule(`Poll-${node}`, {
      description: `Reads node ${node}`,
      everyMinutes,
      target: this.#poller,
      input: { node },
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
