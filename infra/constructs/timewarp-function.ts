/**
 * The construct of all functions: runtime, network, bundle and logs. Lambda does not retry them, because the next scheduled run is the
 * retry. The role of a function has the few actions that every function in a VPC needs. Each grant for a secret belongs to the
 * variable that names the secret.
 */
import { join } from 'node:path';
import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc } from 'aws-cdk-lib/aws-ec2';
import { Effect, Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Runtime } from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { type CfnLogGroup, LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { version } from '../version.ts';

export const ROOT = join(import.meta.dirname, '../..');

export interface TimewarpFunctionProps {
  /** The folder of the handler in lambda/. */
  readonly handler: 'poller' | 'api' | 'doctor' | 'migrate' | 'maintenance';
  readonly description: string;
  readonly timeout: Duration;
  readonly memoryMb: number;
  readonly vpc: IVpc;
  readonly securityGroup: ISecurityGroup;
  readonly logDays: RetentionDays;
  readonly environment: Readonly<Record<string, string>>;
  /** ARNs of the secrets that it may read. */
  readonly secretArns: readonly string[];
  /** ARNs of the customer keys of these secrets. */
  readonly kmsKeyArns: readonly string[];
  readonly reservedConcurrency?: number | null;
  /** Whether the bundle contains migrations/. */
  readonly withMigrations?: boolean;
}

/** Bundled modules that are not ES modules call require(). */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

export class TimewarpFunction extends Construct {
  readonly function: NodejsFunction;
  readonly policy: Policy;

  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: a flat list of the resources of one function
  constructor(scope: Construct, id: string, props: TimewarpFunctionProps) {
    super(scope, id);
    const logGroup = new LogGroup(this, 'Logs', {
      retention: props.logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.policy = new Policy(this, 'Policy', {
      roles: [role],
      statements: [
        new PolicyStatement({
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          resources: [logGroup.logGroupArn, `${logGroup.logGroupArn}:*`],
        }),
        // AWS Lambda Developer Guide, "Giving Lambda functions access to resources in a VPC": these actions accept no resources.
        new PolicyStatement({
          actions: [
            'ec2:AssignPrivateIpAddresses',
            'ec2:CreateNetworkInterface',
            'ec2:DeleteNetworkInterface',
            'ec2:DescribeNetworkInterfaces',
            'ec2:DescribeSubnets',
            'ec2:UnassignPrivateIpAddresses',
          ],
          resources: ['*'],
        }),
        // The same guide: Lambda manages the interfaces, so the code of the function needs no access to them.
        new PolicyStatement({
          effect: Effect.DENY,
          actions: [
            'ec2:CreateNetworkInterface',
            'ec2:DeleteNetworkInterface',
            'ec2:AssignPrivateIpAddresses',
          ],
          resources: ['*'],
          conditions: { ArnLike: { 'lambda:SourceFunctionArn': 'arn:*:lambda:*:*:function:*' } },
        }),
        new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [...props.secretArns] }),
        // AWS Secrets Manager User Guide, "Secret encryption and decryption": Secrets Manager calls KMS on behalf of the caller.
        ...(props.kmsKeyArns.length === 0
          ? []
          : [
              new PolicyStatement({
                actions: ['kms:Decrypt'],
                resources: [...props.kmsKeyArns],
                conditions: { StringLike: { 'kms:ViaService': 'secretsmanager.*' } },
              }),
            ]),
      ],
    });
    this.function = new NodejsFunction(this, 'Function', {
      entry: join(ROOT, 'lambda', props.handler, 'handler.ts'),
      projectRoot: ROOT,
      depsLockFilePath: join(ROOT, 'package-lock.json'),
      handler: 'handler',
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMb,
      timeout: props.timeout,
      role: role.withoutPolicyUpdates(),
      logGroup,
      vpc: props.vpc,
      vpcSubnets: { subnets: props.vpc.privateSubnets },
      securityGroups: [props.securityGroup],
      environment: {
        ...props.environment,
        PGTIMEWARP_VERSION: version(),
        POWERTOOLS_LOG_LEVEL: 'INFO',
        NODE_OPTIONS: '--max-semi-space-size=4', // docs/decisions/0012: keeps the memory of a run small
      },
      retryAttempts: 0,
      maxEventAge: Duration.minutes(1),
      ...(props.reservedConcurrency == null
        ? {}
        : { reservedConcurrentExecutions: props.reservedConcurrency }),
      bundling: {
        format: OutputFormat.ESM,
        target: 'node24',
        minify: true,
        keepNames: true, // errors and logs show names
        mainFields: ['module', 'main'],
        banner: REQUIRE,
        externalModules: ['pg-native'],
        bundleAwsSDK: true,
        forceDockerBundling: false,
        ...(props.withMigrations ? { commandHooks: carryMigrations() } : {}),
      },
    });
    this.function.node.addDependency(this.policy);
    this.#acceptFindings(logGroup);
  }

  /** Findings of cdk-nag that stay, with the reason. */
  #acceptFindings(logGroup: LogGroup): void {
    const logs = Stack.of(this).getLogicalId(logGroup.node.defaultChild as CfnLogGroup);
    for (const [id, reason] of [
      [
        `AwsSolutions::AwsSolutions-IAM5[Resource::<${logs}.Arn>:*]`,
        'The streams of the one log group of this function, whose names only Lambda knows.',
      ],
      [
        'AwsSolutions::AwsSolutions-IAM5[Resource::*]',
        'Network interfaces of a function in a VPC: these actions know no resources, and the code is denied them.',
      ],
      [
        'Serverless::Serverless-LambdaDLQ',
        'Nothing is done a second time from a queue: the next run of the schedule is that.',
      ],
      [
        'Serverless::Serverless-LambdaAsyncFailureDestination',
        'Failures ring alarms, which say so once. A failure destination would say it with every run: a mail a minute while a node is down. A run that cannot even report rings the alarm of the horizon, for which silence is a fault.',
      ],
      [
        'Serverless::Serverless-LambdaTracing',
        'One function and two databases: log lines and metrics of a run have its times. Traces would need one more right and one more way out of the subnets.',
      ],
    ] as const) {
      Validations.of(this).acknowledge({ id, reason });
    }
  }
}

function carryMigrations() {
  return {
    beforeBundling: () => [],
    beforeInstall: () => [],
    afterBundling: (input: string, output: string) => [
      `mkdir -p "${output}/migrations" && cp -r "${input}"/migrations/*.do.*.sql "${input}/migrations/functions" "${output}/migrations/"`,
    ],
  };
}
