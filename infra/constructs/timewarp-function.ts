/**
 * The construct of all functions: runtime, network, code and logs. Lambda does not retry them, because the next scheduled run is the
 * retry. The role of a function has the few actions that every function in a VPC needs. Each grant for a secret belongs to the
 * variable that names the secret.
 */
import { ArnFormat, Duration, RemovalPolicy, Size, Stack, Validations } from 'aws-cdk-lib';
import type { ISecurityGroup, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2';
import { Effect, Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { type CfnLogGroup, LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { functionFolder, version } from './package-files.ts';

export interface TimewarpFunctionProps {
  /** The folder of the handler in lambda/. */
  readonly handler: 'poller' | 'api' | 'doctor' | 'migrate' | 'maintenance' | 'archiver';
  readonly description: string;
  readonly timeout: Duration;
  readonly memoryMb: number;
  readonly vpc: IVpc;
  readonly subnets: readonly ISubnet[];
  readonly securityGroup: ISecurityGroup;
  readonly logDays: RetentionDays;
  readonly environment: Readonly<Record<string, string>>;
  /** ARNs of the secrets that it may read. */
  readonly secretArns: readonly string[];
  readonly reservedConcurrency?: number | null;
  /** Of the temporary folder; default 512. */
  readonly temporaryMb?: number;
}

export class TimewarpFunction extends Construct {
  readonly function: LambdaFunction;
  readonly policy: Policy;
  readonly #secrets: PolicyStatement;
  #keys: PolicyStatement | null = null;

  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: a flat list of the resources of one function
  constructor(scope: Construct, id: string, props: TimewarpFunctionProps) {
    super(scope, id);
    const logGroup = new LogGroup(this, 'Logs', {
      retention: props.logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.#secrets = new PolicyStatement({
      actions: ['secretsmanager:GetSecretValue'],
      resources: [...props.secretArns],
    });
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
        this.#secrets,
      ],
    });
    this.function = new LambdaFunction(this, 'Function', {
      code: Code.fromAsset(functionFolder(this, props.handler)),
      handler: 'index.handler',
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMb,
      ...(props.temporaryMb === undefined ? {} : { ephemeralStorageSize: Size.mebibytes(props.temporaryMb) }),
      timeout: props.timeout,
      role: role.withoutPolicyUpdates(),
      logGroup,
      vpc: props.vpc,
      vpcSubnets: { subnets: [...props.subnets] },
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
    });
    this.function.node.addDependency(this.policy);
    this.#acceptFindings(logGroup);
  }

  /** Lets it read one more secret. */
  readSecret(arn: string): void {
    this.#secrets.addResources(arn);
  }

  /** Lets it read all secrets of the account whose names begin so. */
  readSecretsNamed(prefix: string): void {
    const stack = Stack.of(this);
    const arn = stack.formatArn({
      service: 'secretsmanager',
      resource: 'secret',
      resourceName: `${prefix}*`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    this.#secrets.addResources(arn);
    Validations.of(this).acknowledge({
      id: `AwsSolutions::AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:${prefix}*]`,
      reason:
        'The secrets of the sources, whose names the configuration lets begin so. A list would not fit into a policy.',
    });
  }

  /**
   * Lets it use a customer key of a secret. AWS Secrets Manager User Guide, "Secret encryption and decryption": Secrets Manager calls
   * KMS on behalf of the caller.
   */
  decryptWith(keyArn: string): void {
    if (this.#keys !== null) {
      this.#keys.addResources(keyArn);
      return;
    }
    this.#keys = new PolicyStatement({
      actions: ['kms:Decrypt'],
      resources: [keyArn],
      conditions: { StringLike: { 'kms:ViaService': 'secretsmanager.*' } },
    });
    this.policy.addStatements(this.#keys);
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
