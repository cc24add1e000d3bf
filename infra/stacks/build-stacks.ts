/** All stacks of a deployment: store, functions, schedules, HTTP API, monitoring, in this order. */
import type { App } from 'aws-cdk-lib';
import type { DeploymentConfiguration } from '../config/schema.ts';
import type { ObservedNode } from '../constructs/observed-node.ts';
import { AppStack } from './app-stack.ts';
import { observedNodes } from './from-configuration.ts';
import { HttpApiStack } from './http-api-stack.ts';
import { MonitoringStack } from './monitoring-stack.ts';
import { SchedulesStack } from './schedules-stack.ts';
import { StoreStack } from './store-stack.ts';

export interface Stacks {
  readonly store: StoreStack;
  readonly app: AppStack;
  /** The first stack of the schedules. */
  readonly schedules: SchedulesStack;
  /** null: the configuration has no API. */
  readonly httpApi: HttpApiStack | null;
  /** The first stack of alarms. */
  readonly monitoring: MonitoringStack;
}

/** A stack has at most 500 resources (AWS CloudFormation User Guide, "Quotas"): one schedule, or four alarms, for each node. */
const SCHEDULES_OF_A_STACK = 400;
const ALARMS_OF_A_STACK = 100;

export function buildStacks(scope: App, configuration: DeploymentConfiguration): Stacks {
  const { name } = configuration;
  const store = new StoreStack(scope, `${name}-store`, { configuration });
  const app = new AppStack(scope, `${name}-app`, { configuration, store: store.store });
  app.addStackDependency(store); // the cluster must be available before the migrate function connects to it
  const { functions } = app;
  const nodes = observedNodes(configuration);
  const each = configuration.functions.parts === null ? nodes : [];
  const [schedules] = slices(each, SCHEDULES_OF_A_STACK).map(
    (some, index) =>
      new SchedulesStack(scope, stackName(`${name}-schedules`, index), {
        ...{ configuration, functions, nodes: some, isFirst: index === 0 },
      }),
  );
  const httpApi =
    configuration.api === null || functions.api === null
      ? null
      : new HttpApiStack(scope, `${name}-http-api`, {
          configuration: configuration.api,
          logDays: configuration.functions.logDays.requests,
          api: functions.api.function,
        });
  const stage = httpApi?.stage ?? null;
  const watched = configuration.alarms.eachNode ? nodes : [];
  const [monitoring] = slices(watched, ALARMS_OF_A_STACK).map(
    (some, index) =>
      new MonitoringStack(scope, stackName(`${name}-monitoring`, index), {
        ...{ configuration, functions, stage, nodes: some, isFirst: index === 0 },
      }),
  );
  return { store, app, schedules: schedules!, httpApi, monitoring: monitoring! };
}

/** In their order, so that a new node changes the last one only. At least one, which may be empty. */
function slices(nodes: readonly ObservedNode[], length: number): ObservedNode[][] {
  const count = Math.max(1, Math.ceil(nodes.length / length));
  return Array.from({ length: count }, (_, index) => nodes.slice(index * length, (index + 1) * length));
}

function stackName(name: string, index: number): string {
  return index === 0 ? name : `${name}-${index + 1}`;
}
