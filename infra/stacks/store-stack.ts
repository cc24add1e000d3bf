/**
 * The database with the history: a new Aurora PostgreSQL Serverless v2 cluster, or one that is there. Either way the other
 * stacks get three secrets (owner, writer, reader) and the security group that its clients are in.
 */
import { Annotations, CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { type ISecurityGroup, type IVpc, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import {
  AuroraPostgresEngineVersion,
  ClusterInstance,
  Credentials,
  DatabaseCluster,
  DatabaseClusterEngine,
  DatabaseSecret,
  ParameterGroup,
} from 'aws-cdk-lib/aws-rds';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';

export interface StoreSecrets {
  readonly ownerArn: string;
  readonly writerArn: string;
  readonly readerArn: string;
}

type NewStore = Extract<DeploymentConfiguration['store'], { kind: 'new' }>;

const DATABASE = 'pgtimewarp';

export class StoreStack extends Stack {
  readonly vpc: IVpc;
  /** Of all functions: databases let them in by it. */
  readonly clients: ISecurityGroup;
  readonly secrets: StoreSecrets;

  constructor(
    scope: Construct,
    id: string,
    props: StackProps & { readonly configuration: DeploymentConfiguration },
  ) {
    super(scope, id, props);
    const { vpc, store } = props.configuration;
    this.vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: vpc.vpcId,
      availabilityZones: vpc.availabilityZones,
      privateSubnetIds: vpc.privateSubnetIds,
    });
    for (const subnet of this.vpc.privateSubnets) {
      // Only a stack that adds routes needs their tables.
      Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId');
    }
    this.clients = new SecurityGroup(this, 'Clients', {
      vpc: this.vpc,
      description: 'Functions of pgtimewarp: let them into source databases by this group',
    });
    this.secrets =
      store.kind === 'new'
        ? this.#newStore(store)
        : {
            ownerArn: store.ownerSecretArn,
            writerArn: store.writerSecretArn,
            readerArn: store.readerSecretArn,
          };
    new CfnOutput(this, 'ClientSecurityGroupId', { value: this.clients.securityGroupId });
  }

  #newStore({ minCapacity, maxCapacity, backupDays, rotationDays }: NewStore): StoreSecrets {
    const engine = DatabaseClusterEngine.auroraPostgres({ version: AuroraPostgresEngineVersion.VER_17_5 });
    const subnets = { subnets: this.vpc.privateSubnets };
    const cluster = new DatabaseCluster(this, 'Cluster', {
      engine,
      writer: ClusterInstance.serverlessV2('Writer', { publiclyAccessible: false }),
      serverlessV2MinCapacity: minCapacity,
      serverlessV2MaxCapacity: maxCapacity,
      vpc: this.vpc,
      vpcSubnets: subnets,
      defaultDatabaseName: DATABASE,
      credentials: Credentials.fromGeneratedSecret('pgtimewarp_owner'),
      parameterGroup: new ParameterGroup(this, 'Parameters', {
        engine,
        parameters: { 'rds.force_ssl': '1' },
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
    const rotation = {
      automaticallyAfter: Duration.days(rotationDays),
      vpcSubnets: subnets,
      rotateImmediatelyOnUpdate: false, // the logins are made after the cluster
    };
    cluster.addRotationSingleUser(rotation);
    const login = (name: string, username: string): string => {
      const secret = new DatabaseSecret(this, name, {
        username,
        dbname: DATABASE,
        masterSecret: cluster.secret!,
      });
      const attached = secret.attach(cluster);
      cluster.addRotationMultiUser(`${name}Rotation`, { ...rotation, secret: attached });
      return attached.secretArn;
    };
    return {
      ownerArn: cluster.secret!.secretArn,
      writerArn: login('WriterLogin', 'pgtimewarp_poller'),
      readerArn: login('ReaderLogin', 'pgtimewarp_api'),
    };
  }
}
