/**
 * The database with the history: a new Aurora PostgreSQL Serverless v2 cluster, or an existing database. For both, the other stacks
 * get three secrets (owner, writer, reader) and the security group of its clients.
 */
import {
  Annotations,
  CfnOutput,
  Duration,
  RemovalPolicy,
  Stack,
  type StackProps,
  Validations,
} from 'aws-cdk-lib';
import {
  CfnSecurityGroupIngress,
  type ISecurityGroup,
  type IVpc,
  SecurityGroup,
  Vpc,
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
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';
import { secretReference } from '../config/secret-reference.ts';

export interface StoreSecrets {
  readonly ownerArn: string;
  readonly writerArn: string;
  readonly readerArn: string;
}

type NewStore = Extract<DeploymentConfiguration['store'], { kind: 'new' }>;

const DATABASE = 'pgtimewarp';
const HTTPS = 443;

interface RotationOptions {
  /** Security groups of the interface endpoints. */
  readonly endpoints: readonly string[];
  readonly logDays: RetentionDays;
}

export class StoreStack extends Stack {
  readonly vpc: IVpc;
  /** The security group of all functions. Databases admit them by it. */
  readonly clients: ISecurityGroup;
  readonly secrets: StoreSecrets;
  /** The references of the secrets for functions (infra/config/secret-reference.ts). */
  readonly references: { readonly owner: string; readonly writer: string; readonly reader: string };

  constructor(
    scope: Construct,
    id: string,
    props: StackProps & { readonly configuration: DeploymentConfiguration },
  ) {
    super(scope, id, props);
    const { vpc, store, functions } = props.configuration;
    this.vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: vpc.vpcId,
      availabilityZones: vpc.availabilityZones,
      privateSubnetIds: vpc.privateSubnetIds,
    });
    for (const subnet of this.vpc.privateSubnets) {
      // Only a stack that adds routes needs the route tables.
      Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId');
    }
    this.clients = new SecurityGroup(this, 'Clients', {
      vpc: this.vpc,
      description: 'Functions of pgtimewarp: let them into source databases by this group',
    });
    const { endpointSecurityGroupIds: endpoints } = vpc;
    this.#letIn('Endpoint', endpoints, this.clients);
    if (store.kind === 'existing') {
      this.secrets = {
        ownerArn: store.ownerSecretArn,
        writerArn: store.writerSecretArn,
        readerArn: store.readerSecretArn,
      };
    } else {
      const cluster = this.#cluster(store);
      const { rotation: logDays } = functions.logDays;
      this.secrets = this.#logins(cluster, store.rotationDays, { endpoints, logDays });
      this.#output('Endpoint', cluster.clusterEndpoint.hostname);
      this.#output('ReaderEndpoint', cluster.clusterReadEndpoint.hostname);
      this.#output('OwnerSecretArn', this.secrets.ownerArn);
      this.#output('WriterSecretArn', this.secrets.writerArn);
      this.#output('ReaderSecretArn', this.secrets.readerArn);
    }
    this.#output('ClientSecurityGroupId', this.clients.securityGroupId);
    const place = store.kind === 'existing' ? store.database : null;
    const { ownerArn, writerArn, readerArn } = this.secrets;
    const [owner, writer, reader] = [ownerArn, writerArn, readerArn].map((arn) =>
      secretReference(arn, place),
    );
    this.references = { owner: owner!, writer: writer!, reader: reader! };
  }

  #cluster({
    engineVersion,
    minCapacity,
    maxCapacity,
    backupDays,
    maxConnections,
  }: NewStore): DatabaseCluster {
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
      vpcSubnets: { subnets: this.vpc.privateSubnets },
      defaultDatabaseName: DATABASE,
      credentials: Credentials.fromGeneratedSecret('pgtimewarp_owner'),
      parameterGroup: new ParameterGroup(this, 'Parameters', {
        engine,
        parameters: {
          'rds.force_ssl': '1',
          ...(maxConnections === null ? {} : { max_connections: String(maxConnections) }),
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
  #logins(cluster: DatabaseCluster, rotationDays: number | null, rotating: RotationOptions): StoreSecrets {
    const rotation = rotationDays === null ? null : this.#rotation(rotationDays, rotating);
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
      ownerArn: cluster.secret!.secretArn,
      writerArn: login('WriterLogin', 'pgtimewarp_poller'),
      readerArn: login('ReaderLogin', 'pgtimewarp_api'),
    };
  }

  #rotation(days: number, { endpoints, logDays }: RotationOptions) {
    const securityGroup = new SecurityGroup(this, 'Rotations', {
      vpc: this.vpc,
      description: 'Functions that change the passwords of the store of pgtimewarp',
    });
    this.#letIn('RotationEndpoint', endpoints, securityGroup);
    return {
      options: {
        automaticallyAfter: Duration.days(days),
        vpcSubnets: { subnets: this.vpc.privateSubnets },
        rotateImmediatelyOnUpdate: false, // the migrate function makes the logins after the cluster
        securityGroup,
      },
      /** Makes the log group of the AWS application. Otherwise its function would make one that keeps logs for ever. */
      watch: (rotation: SecretRotation): void => {
        const application = rotation.node.defaultChild as CfnApplication;
        const { functionName } = application.parameters as { functionName: string };
        const logs = new LogGroup(rotation, 'Logs', {
          logGroupName: `/aws/lambda/${functionName}`,
          retention: logDays,
          removalPolicy: RemovalPolicy.DESTROY,
        });
        application.node.addDependency(logs);
      },
    };
  }

  #letIn(name: string, groups: readonly string[], source: ISecurityGroup): void {
    for (const groupId of groups) {
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

  #output(name: string, value: string): void {
    new CfnOutput(this, name, { value });
  }

  #acceptUnrotated(): void {
    Validations.of(this).acknowledge({
      id: 'AwsSolutions::AwsSolutions-SMG4',
      reason: 'The configuration says that the passwords are changed by somebody else (rotationDays: null).',
    });
  }
}
