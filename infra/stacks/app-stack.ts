/** The functions of a deployment as a stack of its own. */
import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { DeploymentConfiguration } from '../config/schema.ts';
import { Functions } from '../constructs/functions.ts';
import type { Store } from '../constructs/store.ts';
import { archivePlaceOf, authorization, observedNodes, signIn } from './from-configuration.ts';

interface AppStackProps extends StackProps {
  readonly configuration: DeploymentConfiguration;
  readonly store: Store;
  /** The further stores that the API asks. */
  readonly otherStores: readonly Store[];
}

export class AppStack extends Stack {
  readonly functions: Functions;

  constructor(scope: Construct, id: string, { configuration, store, otherStores, ...props }: AppStackProps) {
    super(scope, id, props);
    const { functions, doctor, api, alarms, forgetSources } = configuration;
    this.functions = new Functions(this, 'Default', {
      store,
      logDays: functions.logDays,
      poller: {
        timeout: Duration.seconds(functions.pollerSeconds),
        memoryMb: functions.pollerMemoryMb,
        reservedConcurrency: functions.reservedConcurrency,
      },
      api:
        api === null
          ? null
          : {
              concurrency: api.concurrency,
              tablesClaim: authorization(api)._tablesClaim,
              signIn: signIn(api),
              otherStores,
            },
      archive: archivePlaceOf(this, configuration),
      emails: [...(doctor.email === null ? [] : [doctor.email]), ...alarms.emails],
      sourceSecretPrefix: configuration.sourceSecretPrefix,
      nodesAtOnce: functions.nodesAtOnce,
      nodeMetrics: alarms.eachNode,
      forgetSources,
    });
    for (const node of observedNodes(configuration)) this.functions.observe(node);
    for (const arn of configuration.kmsKeyArns) this.functions.decryptWith(arn);
    const { poller, doctor: examiner, maintenance, archiver, alerts } = this.functions;
    for (const [name, value] of Object.entries({
      PollerFunctionName: poller.function.functionName,
      DoctorFunctionName: examiner.function.functionName,
      MaintenanceFunctionName: maintenance.function.functionName,
      MaintenanceFunctionArn: maintenance.function.functionArn,
      AlertsTopicArn: alerts.topic.topicArn,
      ...(archiver === null ? {} : { ArchiverFunctionName: archiver.function.functionName }),
    })) {
      new CfnOutput(this, name, { value });
    }
  }
}
