/** What limits the number of nodes of a deployment, and what a deployment with many of them cannot have. */
import type { z } from 'zod';
import type { ObservedNode } from '../constructs/observed-node.ts';
import { type DatabasePlace, secretReference } from '../constructs/secret-reference.ts';
import { wantedNode } from '../constructs/wanted-node.ts';

/** The part of the 4 KB environment of a function that its other variables leave for the secrets of the sources. */
const SOURCES_BYTES = 3400;
/** CloudFormation calls the function with the properties before and after the change; Lambda takes events of 256 KB. */
const PROPERTIES_BYTES = 125_000;

interface ConfiguredNode
  extends Pick<ObservedNode, 'node' | 'plugin' | 'slotName' | 'tables' | 'everyMinutes'> {
  readonly store: string | null;
  readonly sourceSecretArn: string | null;
  readonly database: DatabasePlace | null;
}

interface Configuration {
  readonly nodes: readonly ConfiguredNode[];
  readonly sourceSecretPrefix: string | null;
  readonly functions: { readonly parts: number | null };
}

/** One issue for each mistake, each with its field. */
export function wrongNodes({
  nodes,
  sourceSecretPrefix,
  functions: { parts },
}: Configuration): z.core.$ZodRawIssue[] {
  const issues: z.core.$ZodRawIssue[] = [];
  const refuse = (path: (string | number)[], message: string): void => {
    issues.push({ code: 'custom', path, message, input: nodes });
  };
  for (const store of new Set(nodes.map((node) => node.store))) {
    const own = nodes.filter((node) => node.store === store);
    const message = tooMany(own, sourceSecretPrefix);
    if (message !== null) refuse(['nodes'], message);
  }
  for (const [index, { sourceSecretArn, database, everyMinutes }] of nodes.entries()) {
    if (sourceSecretArn === null && sourceSecretPrefix === null)
      refuse(
        ['nodes', index, 'sourceSecretArn'],
        'must be the ARN of a secret, unless there is a sourceSecretPrefix',
      );
    if (sourceSecretArn === null && database !== null)
      refuse(
        ['nodes', index, 'database'],
        'needs a sourceSecretArn: by the convention the secret has the place',
      );
    if (parts !== null && everyMinutes !== 1)
      refuse(['nodes', index, 'everyMinutes'], 'must be 1: functions.parts serves all nodes every minute');
  }
  return issues;
}

/** The nodes of one store, which has functions of its own. null: they are not too many. */
function tooMany(nodes: readonly ConfiguredNode[], sourceSecretPrefix: string | null): string | null {
  const known = nodes.flatMap(({ node, sourceSecretArn, database }) =>
    sourceSecretArn === null ? [] : [[node, secretReference(sourceSecretArn, database)]],
  );
  if (JSON.stringify(known).length > SOURCES_BYTES)
    return `are too many for one deployment (${known.length}): AWS limits the environment of a function to 4 KB; make several, or name their secrets by a convention (sourceSecretPrefix)`;
  const wanted = nodes.map(({ sourceSecretArn: secretArn, database, ...node }) => {
    const reference =
      secretArn === null ? `${sourceSecretPrefix}${node.node}` : secretReference(secretArn, database);
    return wantedNode({ ...node, secretArn, reference });
  });
  if (JSON.stringify(JSON.stringify(wanted)).length > PROPERTIES_BYTES)
    return `are too many for one deployment (${nodes.length}): AWS limits an event to 256 KB; make several`;
  return null;
}
