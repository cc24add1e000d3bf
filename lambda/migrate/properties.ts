/** What a deployment wants to be there: the properties of the custom resource, in which CloudFormation makes texts of all values. */
import * as z from 'zod';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { NodeName, parseSetting, SecretArn } from '../shared/configuration.ts';

const WantedTable = z.strictObject({
  name: z.string(),
  exclude: z.array(z.string()).default([]),
  retention: z.string().nullable().default(null),
  baseline: z.boolean().default(true),
  noNan: z.boolean().default(false),
});

const WantedNode = z.strictObject({
  node: NodeName,
  sourceSecretArn: SecretArn,
  plugin: z.enum(['wal2json', 'pgoutput']).nullable().default(null),
  slotName: z.string().nullable().default(null),
  tables: z.array(WantedTable).default([]),
});

export type WantedNode = z.output<typeof WantedNode>;
export type WantedTable = z.output<typeof WantedTable>;

const JsonText = z.string().transform((text) => JSON.parse(text) as unknown);

const Properties = z.object({
  Nodes: JsonText.pipe(z.array(WantedNode)),
  ForgetSources: JsonText.pipe(z.array(NodeName)).default([]),
});

export interface Wanted {
  readonly nodes: readonly WantedNode[];
  /** Nodes whose sources are gone for good: removing them does not need an answer from there. */
  readonly forgetSources: readonly string[];
}

/** Throws CONFIGURATION_WRONG, and BAD_TABLE_NAME before anything has been done. */
export function wantedState(properties: unknown): Wanted {
  const { Nodes, ForgetSources } = parseSetting(Properties, properties, 'The properties of the deployment');
  for (const { name } of Nodes.flatMap((node) => node.tables)) parseTableName(name);
  return { nodes: Nodes, forgetSources: ForgetSources };
}
