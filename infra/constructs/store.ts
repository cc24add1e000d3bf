/**
 * The store and the way to it: the security group of the functions, the rules of the endpoints, three secrets (owner, writer, reader),
 * and for a new store the Aurora PostgreSQL Serverless v2 cluster.
 */
import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import {
  CfnSecurityGroupIngress,
  type ISecurityGroup,
  type ISubnet,
  type IVpc,
  SecurityGroup,
} from 'aws-cdk-lib/aws-ec2';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  AuroraPostgresEngineVersion,
  ClusterInstance,
  Credentials,
  DatabaseCluster,
  DatabaseClusterEngine,
  DatabaseSecret,
  ParameterGroup,
} from 'aws-cdk-lib/aws-rds';
import type { CfnApplication } from 'aws-cdk-lib/aws-sam';
import type { SecretRotation } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { completeArn } from './complete-arn.ts';
import { secretReference } from './secret-reference.ts';
import { SERVERLESS_DEFAULTS, type ServerlessStoreProps, type TimewarpStore } from './timewarp-store.ts';

const DATABASE = 'pgtimewarp';
const HTTPS = 443;

interface StoreProps {
  readonly store: TimewarpStore;
  readonly vpc: IVpc;
  readonly subnets: readonly ISubnet[];
  readonly endpointSecurityGroupIds: readonly string[];
  /** Of the functions that change passwords. */
  readonly rotationLogDays: RetentionDays;
}

/** The names by which functions find the three secrets. */
interface StoreLogins {
  readonly owner: string;
  readonly writer: string;
  readonly reader: string;
}

export class Store extends Construct {
  readonly vpc: IVpc;
  readonly subnets: readonly ISubnet[];
  /** The security group of all functions. Databases admit them by it. */
  readonly clients: ISecurityGroup;
  readonly secretArns: StoreLogins;
  /** The references of the secrets for functions (secret-reference.ts). */
  readonly references: StoreLogins;
  /** null: the store is there already. */
  readonly cluster: DatabaseCluster | null;
  readonly #props: StoreProps;

  constructor(scope: Construct, id: string, props: StoreProps) {
    super(scope, id);
    this.#props = props;
    this.vpc = props.vpc;
    this.subnets = props.subnets;
    this.clients = new SecurityGroup(this, 'Clients', {
      vpc: this.vpc,
      description: 'Functions of pgtimewarp: let them into source databases by this group',
    });
    this.#letIn('Endpoint', this.clients);
    const { _existing: existing, _serverless: serverless = {} } = props.store;
    if (existing === undefined) {
      this.cluster = this.#makeCluster(serverless);
      this.secretArns = this.#makeLogins(
        this.cluster,
        serverless.rotationDays ?? SERVERLESS_DEFAULTS.rotationDays,
      );
      this.references = this.secretArns;
      return;
    }
    this.cluster = null;
    this.secretArns = {
      owner: completeArn(existing.ownerSecret),
      writer: completeArn(existing.writerSecret),
      reader: completeArn(existing.readerSecret),
    };
    const { owner, writer, reader } = this.secretArns;
    const place = { host: existing.host, port: existing.port, dbname: existing.database };
    this.references = {
      owner: secretReference(owner, place),
      writer: secretReference(writer, place),
      reader: secretReference(reader, place),
    };
  }

  /** Admits functions of another store of the deployment. An existing store is not ours to change. */
  letIn(name: string, functions: ISecurityGroup): void {
    if (this.cluster === null) return;
    new CfnSecurityGroupIngress(this, name, {
      groupId: this.cluster.connections.securityGroups[0]!.securityGroupId,
      sourceSecurityGroupId: functions.securityGroupId,
      ipProtocol: 'tcp',
      fromPort: this.cluster.clusterEndpoint.port,
      toPort: this.cluster.clusterEndpoint.port,
      description: 'the HTTP API of pgtimewarp',
    });
  }

  #makeCluster(wanted: ServerlessStoreProps): DatabaseCluster {
    const { engineVersion, minCapacity, maxCapacity, backupDays } = { ...SERVERLESS_DEFAULTS, ...wanted };
    const { maxConnections } = wanted;
    const [major = ''] = engineVersion.split('.');
    const engine = DatabaseClusterEngine.auroraPostgres({
      version: AuroraPostgresEngineVersion.of(engineVersion, major),
    });
    const cluster = new DatabaseCluster(this, 'Cluster', {
      engine,
      writer: ClusterInstance.serverlessV2('Writer', { publiclyAccessible: false }),
      serverlessV2MinCapacity: minCapacity,
      serverlessV2MaxCapacity: maxCapacity,
      vpc: this.vpc,
      vpcSubnets: { subnets: [...this.subnets] },
      defaultDatabaseName: DATABASE,
      credentials: Credentials.fromGeneratedSecret('pgtimewarp_owner'),
      parameterGroup: new ParameterGroup(this, 'Parameters', {
        engine,
        parameters: {
          'rds.force_ssl': '1',
          ...(maxConnections === undefined ? {} : { max_connections: String(maxConnections) }),
        },
      }),
      storageEncrypted: true,
      deletionProtection: true,
      removalPolicy: RemovalPolicy.SNAPSHOT,
      copyTagsToSnapshot: true,
      iamAuthentication: true,
      backup: { retention: Duration.days(backupDays) },
      cloudwatchLogsExports: ['postgresql'],
    });
    cluster.connections.allowDefaultPortFrom(this.clients, 'functions of pgtimewarp');
    return cluster;
  }

  /** The secrets of owner, writer and reader, and the functions that change their passwords. */
  #makeLogins(cluster: DatabaseCluster, rotationDays: number): StoreLogins {
    const rotation = rotationDays === 0 ? null : this.#rotation(rotationDays);
    if (rotation === null) this.#acceptUnrotated();
    rotation?.watch(cluster.addRotationSingleUser(rotation.options));
    const login = (name: string, username: string): string => {
      const secret = new DatabaseSecret(this, name, {
        username,
        dbname: DATABASE,
        masterSecret: cluster.secret!,
      });
      const attached = secret.attach(cluster);
      rotation?.watch(
        cluster.addRotationMultiUser(`${name}Rotation`, { ...rotation.options, secret: attached }),
      );
      return attached.secretArn;
    };
    return {
      owner: cluster.secret!.secretArn,
      writer: login('WriterLogin', 'pgtimewarp_poller'),
      reader: login('ReaderLogin', 'pgtimewarp_api'),
    };
  }

  #rotation(days: number) {
    const securityGroup = new SecurityGroup(this, 'Rotations', {
      vpc: this.vpc,
      description: 'Functions that change the passwords of the store of pgtimewarp',
    });
    this.#letIn('RotationEndpoint', securityGroup);
    return {
      options: {
        automaticallyAfter: Duration.days(days),
        vpcSubnets: { subnets: [...this.subnets] },
        rotateImmediatelyOnUpdate: false, // the migrate function makes the logins after the cluster
        securityGroup,
      },
      /** Makes the log group of the AWS application. Otherwise its function would make one that keeps logs for ever. */
      watch: (rotation: SecretRotation): void => {
        const application = rotation.node.defaultChild as CfnApplication;
        const { functionName } = application.parameters as { functionName: string };
        const logs = new LogGroup(rotation, 'Logs', {
          logGroupName: `/aws/lambda/${functionName}`,
          retention: this.#props.rotationLogDays,
          removalPolicy: RemovalPolicy.DESTROY,
        });
        application.node.addDependency(logs);
      },
    };
  }

  #letIn(name: string, source: ISecurityGroup): void {
    for (const groupId of this.#props.endpointSecurityGroupIds) {
      new CfnSecurityGroupIngress(this, `${name}-${groupId}`, {
        groupId,
        sourceSecurityGroupId: source.securityGroupId,
        ipProtocol: 'tcp',
        fromPort: HTTPS,
        toPort: HTTPS,
        description: 'functions of pgtimewarp',
      });
    }
  }

  #acceptUnrotated(): void {
    Validations.of(this).acknowledge({
      id: 'AwsSolutions::AwsSolutions-SMG4',
      reason: 'The configuration says that the passwords are changed by somebody else (no rotation).',
    });
  }
}
