/**
 * All stacks of a deployment: store, functions, schedules, HTTP API, monitoring, in this order. A further store has such stacks of its own
 * apart from the API, which is one for all stores.
 */
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
  /** Those of the further stores, by the name of the store. */
  readonly others: Readonly<Record<string, Stacks>>;
}

/** A stack has at most 500 resources (AWS CloudFormation User Guide, "Quotas"): one schedule, or four alarms, for each node. */
const SCHEDULES_OF_A_STACK = 400;
const ALARMS_OF_A_STACK = 100;

export function buildStacks(scope: App, all: DeploymentConfiguration): Stacks {
  const configuration = { ...all, nodes: all.nodes.filter(({ store }) => store === null) };
  const { name } = configuration;
  const store = new StoreStack(scope, `${name}-store`, { configuration });
  const others: Record<string, Stacks> = {};
  for (const each of Object.keys(all.stores)) others[each] = buildStacks(scope, ofStore(all, each));
  const asked = all.api === null ? [] : Object.values(others);
  for (const each of asked) each.store.store.letIn('Api', store.store.clients);
  const app = new AppStack(scope, `${name}-app`, {
    ...{ configuration, store: store.store, otherStores: asked.map((each) => each.store.store) },
  });
  app.addStackDependency(store); // the cluster must be available before the migrate function connects to it
  for (const each of asked) app.addStackDependency(each.app); // the API asks schemas of its own version
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
  return { store, app, schedules: schedules!, httpApi, monitoring: monitoring!, others };
}

/** What a deployment is that has this store alone, without the API. */
function ofStore(all: DeploymentConfiguration, store: string): DeploymentConfiguration {
  const own = all.nodes.filter((node) => node.store === store);
  return {
    ...all,
    name: `${all.name}-${store}`,
    store: all.stores[store]!,
    stores: {},
    nodes: own.map((node) => ({ ...node, store: null })),
    api: null,
  };
}

/** In their order, so that a new node changes the last one only. At least one, which may be empty. */
function slices(nodes: readonly ObservedNode[], length: number): ObservedNode[][] {
  const count = Math.max(1, Math.ceil(nodes.length / length));
  return Array.from({ length: count }, (_, index) => nodes.slice(index * length, (index + 1) * length));
}

function stackName(name: string, index: number): string {
  return index === 0 ? name : `${name}-${index + 1}`;
}
