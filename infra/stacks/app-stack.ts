/** The functions with their permissions, and the custom resource by which the migrate function sets up the databases. */
import { join } from 'node:path';
import {
  CfnOutput,
  CustomResource,
  Duration,
  FileSystem,
  Stack,
  type StackProps,
  Validations,
} from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';
import { secretReference } from '../config/secret-reference.ts';
import { Alerts } from '../constructs/alerts.ts';
import { ROOT, TimewarpFunction, type TimewarpFunctionProps } from '../constructs/timewarp-function.ts';
import { version } from '../version.ts';
import type { StoreStack } from './store-stack.ts';

interface AppStackProps extends StackProps {
  readonly configuration: DeploymentConfiguration;
  readonly store: StoreStack;
}

type Specifics = Omit<TimewarpFunctionProps, 'vpc' | 'securityGroup' | 'logDays' | 'kmsKeyArns'>;

/** So short that a login by IAM from its start is valid until its end. */
const MAINTENANCE_TIME = Duration.minutes(10);

export class AppStack extends Stack {
  readonly poller: IFunction;
  /** null: the configuration has no API. */
  readonly api: IFunction | null;
  readonly doctor: IFunction;
  readonly alerts: ITopic;

  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: a flat list of the functions and what each may do
  constructor(scope: Construct, id: string, { configuration, store, ...props }: AppStackProps) {
    super(scope, id, props);
    const { nodes, functions, doctor, api } = configuration;
    const { ownerArn, writerArn, readerArn } = store.secrets;
    const { owner, writer, reader } = store.references;
    const sourceArns = nodes.map((node) => node.sourceSecretArn);
    const sources = JSON.stringify(
      Object.fromEntries(
        nodes.map((node) => [node.node, secretReference(node.sourceSecretArn, node.database)]),
      ),
    );

    const alerts = new Alerts(this, 'Alerts', [
      ...(doctor.email === null ? [] : [doctor.email]),
      ...configuration.alarms.emails,
    ]);
    this.alerts = alerts.topic;

    const make = (name: string, specifics: Specifics): TimewarpFunction =>
      new TimewarpFunction(this, name, {
        ...specifics,
        vpc: store.vpc,
        securityGroup: store.clients,
        logDays: functions.logDays[specifics.handler],
        kmsKeyArns: configuration.kmsKeyArns,
      });

    const poller = make('Poller', {
      handler: 'poller',
      description: 'Reads what the sources have committed into the store',
      timeout: Duration.seconds(functions.pollerSeconds),
      memoryMb: functions.pollerMemoryMb,
      reservedConcurrency: functions.reservedConcurrency,
      environment: { PGTIMEWARP_STORE_SECRET_ARN: writer, PGTIMEWARP_SOURCE_SECRET_ARNS: sources },
      secretArns: [writerArn, ...sourceArns],
    });
    this.poller = poller.function;
    this.api =
      api === null
        ? null
        : make('Api', {
            handler: 'api',
            description: 'Answers what rows were, and how they changed',
            timeout: Duration.seconds(29), // API Gateway waits 30 s
            memoryMb: 1024,
            reservedConcurrency: api.concurrency,
            environment: {
              PGTIMEWARP_STORE_SECRET_ARN: reader,
              ...(api.authorization.kind === 'jwt' && api.authorization.tablesClaim !== null
                ? { PGTIMEWARP_TABLES_CLAIM: api.authorization.tablesClaim }
                : {}),
            },
            secretArns: [readerArn],
          }).function;
    const doctorFunction = make('Doctor', {
      handler: 'doctor',
      description: 'Examines sources, slots and store',
      timeout: Duration.minutes(2),
      memoryMb: 512,
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: writer,
        PGTIMEWARP_SOURCE_SECRET_ARNS: sources,
        PGTIMEWARP_TOPIC_ARN: alerts.topic.topicArn,
      },
      secretArns: [writerArn, ...sourceArns],
      withMigrations: true,
    });
    alerts.allow(doctorFunction.policy);
    this.doctor = doctorFunction.function;
    const migrate = make('Migrate', {
      handler: 'migrate',
      description: 'Brings schema, logins, nodes and tables to what the deployment says',
      timeout: Duration.minutes(15),
      memoryMb: 1024,
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: owner,
        PGTIMEWARP_WRITER_SECRET_ARN: writer,
        PGTIMEWARP_READER_SECRET_ARN: reader,
      },
      secretArns: [ownerArn, writerArn, readerArn, ...sourceArns],
      withMigrations: true,
    });
    const maintenance = make('Maintenance', {
      handler: 'maintenance',
      description: 'Does what an operator asks: rebaseline, skip, release-slot',
      timeout: MAINTENANCE_TIME,
      memoryMb: functions.pollerMemoryMb,
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: writer,
        PGTIMEWARP_OWNER_SECRET_ARN: owner,
        PGTIMEWARP_SOURCE_SECRET_ARNS: sources,
      },
      secretArns: [ownerArn, writerArn, ...sourceArns],
      withMigrations: true,
    });
    const users = nodes.flatMap(({ iamUserArn }) => (iamUserArn === null ? [] : [iamUserArn]));
    if (users.length > 0) {
      for (const { policy } of [poller, doctorFunction, maintenance, migrate]) {
        policy.addStatements(new PolicyStatement({ actions: ['rds-db:connect'], resources: users }));
      }
    }
    const databases = new CustomResource(this, 'Databases', {
      serviceToken: migrate.function.functionArn,
      serviceTimeout: Duration.minutes(16),
      properties: {
        Nodes: JSON.stringify(
          nodes.map(({ everyMinutes, iamUserArn, database, ...wanted }) => ({
            ...wanted,
            sourceSecretArn: secretReference(wanted.sourceSecretArn, database),
          })),
        ),
        ForgetSources: JSON.stringify(configuration.forgetSources),
        // A new migration changes this property, so that CloudFormation calls the migrate function again.
        Migrations: FileSystem.fingerprint(join(ROOT, 'migrations'), { exclude: ['schema.sql'] }),
        Version: version(),
      },
    });
    // The store has the schema of the new version before the new functions answer.
    this.api?.node.addDependency(databases);
    for (const [name, value] of Object.entries({
      PollerFunctionName: poller.function.functionName,
      DoctorFunctionName: doctorFunction.function.functionName,
      MaintenanceFunctionName: maintenance.function.functionName,
      MaintenanceFunctionArn: maintenance.function.functionArn,
      AlertsTopicArn: alerts.topic.topicArn,
    })) {
      new CfnOutput(this, name, { value });
    }
    Validations.of(databases).acknowledge({
      id: 'CloudFormation-Validate::W9003',
      reason:
        'The CDK writes the time-out of a custom resource as a text, which CloudFormation takes for the number.',
    });
  }
}
