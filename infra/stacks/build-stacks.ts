/** All stacks of a deployment: store, functions, schedules, HTTP API, monitoring, in this order. */
import type { App } from 'aws-cdk-lib';
import type { DeploymentConfiguration } from '../config/schema.ts';
import { AppStack } from './app-stack.ts';
import { HttpApiStack } from './http-api-stack.ts';
import { MonitoringStack } from './monitoring-stack.ts';
import { SchedulesStack } from './schedules-stack.ts';
import { StoreStack } from './store-stack.ts';

export interface Stacks {
  readonly store: StoreStack;
  readonly app: AppStack;
  readonly schedules: SchedulesStack;
  readonly httpApi: HttpApiStack;
  readonly monitoring: MonitoringStack;
}

export function buildStacks(scope: App, configuration: DeploymentConfiguration): Stacks {
  const { name } = configuration;
  const store = new StoreStack(scope, `${name}-store`, { configuration });
  const app = new AppStack(scope, `${name}-app`, { configuration, store });
  app.addStackDependency(store); // the cluster has to be up before anything is made in it
  const schedules = new SchedulesStack(scope, `${name}-schedules`, {
    configuration,
    poller: app.poller,
    doctor: app.doctor,
  });
  const httpApi = new HttpApiStack(scope, `${name}-http-api`, { configuration, api: app.api });
  const monitoring = new MonitoringStack(scope, `${name}-monitoring`, {
    configuration,
    functions: { poller: app.poller, doctor: app.doctor, api: app.api },
    stage: httpApi.stage,
    alerts: app.alerts,
  });
  return { store, app, schedules, httpApi, monitoring };
}
