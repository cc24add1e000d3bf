/** The store of a deployment as a stack of its own: a new cluster, or an existing database. */
import { Annotations, CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';
import { Store } from '../constructs/store.ts';
import { storeOf } from './from-configuration.ts';

export class StoreStack extends Stack {
  readonly store: Store;

  constructor(
    scope: Construct,
    id: string,
    { configuration, ...props }: StackProps & { readonly configuration: DeploymentConfiguration },
  ) {
    super(scope, id, props);
    const { endpointSecurityGroupIds, ...network } = configuration.vpc;
    const vpc = Vpc.fromVpcAttributes(this, 'Vpc', network);
    for (const subnet of vpc.privateSubnets) {
      // Only a stack that adds routes needs the route tables.
      Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId');
    }
    this.store = new Store(this, 'Default', {
      store: storeOf(this, configuration),
      vpc,
      subnets: vpc.privateSubnets,
      endpointSecurityGroupIds,
      rotationLogDays: configuration.functions.logDays.rotation,
    });
    const { cluster, clients, secretArns } = this.store;
    if (cluster !== null) {
      this.#output('Endpoint', cluster.clusterEndpoint.hostname);
      this.#output('ReaderEndpoint', cluster.clusterReadEndpoint.hostname);
      this.#output('OwnerSecretArn', secretArns.owner);
      this.#output('WriterSecretArn', secretArns.writer);
      this.#output('ReaderSecretArn', secretArns.reader);
    }
    this.#output('ClientSecurityGroupId', clients.securityGroupId);
  }

  #output(name: string, value: string): void {
    new CfnOutput(this, name, { value });
  }
}
