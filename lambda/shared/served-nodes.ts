/**
 * Which nodes a function serves, and where the secret of each source is. A map in the environment names the secrets of a few nodes.
 * Many nodes follow a convention: the secret of a node is named by a common prefix and the node, and the store has the list.
 */
import type { Context } from 'aws-lambda';
import * as z from 'zod';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { type PartOfNodes, readNodeNames } from '../../core/store/node/fleet.ts';
import { NodeName } from './configuration.ts';
import type { Sessions } from './sessions.ts';

/** A run, or an examination, of a node whose databases answer takes less. */
const LEAST_MS = 20_000;

export interface SourceSecrets {
  readonly storeSecretArn: string;
  readonly sourceSecretArns: Readonly<Record<string, string>>;
  /** null: only the map names nodes. */
  readonly sourceSecretPrefix: string | null;
}

/** The event of a scheduled function: one node, one part of all nodes, or all. */
export const ServedEvent = z
  .object({ node: NodeName.optional(), part: z.int().min(0).optional(), of: z.int().min(1).optional() })
  .refine(({ part, of }) => (part === undefined) === (of === undefined), 'name "part" and "of", or neither')
  .refine(({ part = 0, of = 1 }) => part < of, '"part" must be less than "of"');

/** The reference of the secret of the source of a node. Throws NODE_UNKNOWN. */
export function sourceSecretOf(
  node: string,
  { sourceSecretArns, sourceSecretPrefix }: Omit<SourceSecrets, 'storeSecretArn'>,
): string {
  if (Object.hasOwn(sourceSecretArns, node)) return sourceSecretArns[node]!;
  if (sourceSecretPrefix !== null) return `${sourceSecretPrefix}${node}`;
  throw new TimewarpError(
    'NODE_UNKNOWN',
    `The configuration of this function has no source for node "${node}".`,
    {
      remedy: `It has: ${Object.keys(sourceSecretArns).join(', ')}.`,
    },
  );
}

/** The nodes that an event names, in the order in which to serve them. */
export async function servedNodes(
  { node, part, of }: z.output<typeof ServedEvent>,
  secrets: SourceSecrets,
  sessions: Sessions,
): Promise<string[]> {
  if (node !== undefined) return [node];
  const named = Object.keys(secrets.sourceSecretArns);
  if (secrets.sourceSecretPrefix === null && part === undefined) return named;
  const wanted: PartOfNodes = { part: part ?? 0, of: of ?? 1 };
  const listed = await sessions.use(
    { side: 'store', node: 'all', secretArn: secrets.storeSecretArn },
    (store) => readNodeNames(store, wanted),
  );
  // without a prefix a function can reach the sources of the map only: others in the store belong to another deployment
  return secrets.sourceSecretPrefix === null ? listed.filter((each) => named.includes(each)) : listed;
}

/** Whether enough time is left to begin with one more node. If not, a later invocation serves it. */
export function hasTimeForNode(context: Pick<Context, 'getRemainingTimeInMillis'>): boolean {
  return context.getRemainingTimeInMillis() > LEAST_MS;
}

/**
 * Works on some of the items at a time, in their order. `mayBegin` is asked before each, except for those with which it begins.
 * @returns the results of those that began, in the order of the items
 */
export async function someAtATime<T, R>(
  items: readonly T[],
  { atOnce, mayBegin }: { readonly atOnce: number; readonly mayBegin: () => boolean },
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: Promise<R>[] = [];
  const lane = async (): Promise<void> => {
    while (results.length < items.length && (results.length < atOnce || mayBegin())) {
      const begun = work(items[results.length]!);
      results.push(begun);
      await begun;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return await Promise.all(results);
}
