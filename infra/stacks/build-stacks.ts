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
  /** null: the configuration has no API. */
  readonly httpApi: HttpApiStack | null;
  readonly monitoring: MonitoringStack;
}

export function buildStacks(scope: App, configuration: DeploymentConfiguration): Stacks {
  const { name } = configuration;
  const store = new StoreStack(scope, `${name}-store`, { configuration });
  const app = new AppStack(scope, `${name}-app`, { configuration, store: store.store });
  app.addStackDependency(store); // the cluster must be available before the migrate function connects to it
  const { functions } = app;
  const schedules = new SchedulesStack(scope, `${name}-schedules`, { configuration, functions });
  const httpApi =
    configuration.api === null || functions.api === null
      ? null
      : new HttpApiStack(scope, `${name}-http-api`, {
          configuration: configuration.api,
          logDays: configuration.functions.logDays.requests,
          api: functions.api.function,
        });
  const stage = httpApi?.stage ?? null;
  const monitoring = new MonitoringStack(scope, `${name}-monitoring`, { configuration, functions, stage });
  return { store, app, schedules, httpApi, monitoring };
}
