/** What is wrong with the stores of a deployment, and with the number of connections that its functions may open there. */
import type { z } from 'zod';
import { connectionsOfFunctions, connectionsOfStore, type StoreCapacity } from './connections.ts';

interface Configuration {
  readonly nodes: readonly { readonly store: string | null }[];
  readonly store: StoreCapacity;
  readonly stores: Readonly<Record<string, StoreCapacity>>;
  readonly api: { readonly concurrency: number | null } | null;
  readonly functions: { readonly parts: number | null; readonly nodesAtOnce: number };
}

/** It is a part of the names of stacks. */
const STORE_NAME = /^[a-z][a-z0-9]{0,14}$/;
/** The environment of the API has a secret of each. */
const MOST_STORES = 16;

/** One issue for each mistake, each with its field. */
export function wrongStores(configuration: Configuration): z.core.$ZodRawIssue[] {
  const { nodes, store, stores } = configuration;
  const issues: z.core.$ZodRawIssue[] = [];
  const refuse = (path: (string | number)[], message: string): void => {
    issues.push({ code: 'custom', path, message, input: configuration });
  };
  for (const [index, { store: named }] of nodes.entries())
    if (named !== null && !Object.hasOwn(stores, named))
      refuse(['nodes', index, 'store'], `must be one of stores, which has no "${named}"`);
  for (const name of Object.keys(stores))
    if (!STORE_NAME.test(name))
      refuse(['stores', name], 'must have a name of up to 15 lower-case letters and digits');
  if (Object.keys(stores).length + 1 > MOST_STORES)
    refuse(['stores'], `are too many for one deployment: at most ${MOST_STORES}, with store`);
  const all = [[null, store] as const, ...Object.entries(stores)];
  for (const [name, each] of all) {
    const path = name === null ? ['store'] : ['stores', name];
    const own = nodes.filter((node) => node.store === name).length;
    if (own === 0 && all.length > 1) refuse(path, 'must have a node');
    const wrong = tooManyConnections(each, own, configuration);
    if (wrong === null) continue;
    const asked = configuration.api?.concurrency == null ? ['nodes'] : ['api', 'concurrency'];
    refuse(
      name === null ? asked : path,
      `${wrong} (${path.join('.')}.maxConnections, ${path.join('.')}.maxCapacity)`,
    );
  }
  return issues;
}

function tooManyConnections(
  store: StoreCapacity,
  nodes: number,
  { api, functions }: Pick<Configuration, 'api' | 'functions'>,
): string | null {
  const available = connectionsOfStore(store);
  const [asking, others] = [
    api === null ? 0 : (api.concurrency ?? 1),
    connectionsOfFunctions(nodes, functions),
  ];
  if (available === null || asking + others <= available) return null;
  return `may open too many connections: ${asking} of the API and ${others} of the other functions; the store takes ${available}`;
}
