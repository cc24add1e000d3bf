/** The state that a deployment wants, from the properties of the custom resource. CloudFormation turns all their values into texts. */
import * as z from 'zod';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { NodeName, parseSetting, SecretId } from '../shared/configuration.ts';

const WantedTable = z.strictObject({
  name: z.string(),
  exclude: z.array(z.string()).default([]),
  retention: z.string().nullable().default(null),
  baseline: z.boolean().default(true),
  noNan: z.boolean().default(false),
  /** Another node of the same database may track it, too. */
  shared: z.boolean().default(false),
  /** null: it has no archive by the deployment. */
  archive: z
    .strictObject({
      hot: z.string().regex(/^[1-9]\d{0,8}[smhd]$/, 'must be a duration such as 30d'),
      drop: z.boolean().default(false),
      minRows: z.int().nullable().default(null),
    })
    .nullable()
    .default(null),
});

const WantedNode = z.strictObject({
  node: NodeName,
  sourceSecretArn: SecretId,
  plugin: z.enum(['wal2json', 'pgoutput']).nullable().default(null),
  slotName: z.string().nullable().default(null),
  tables: z.array(WantedTable).default([]),
});

export type WantedNode = z.output<typeof WantedNode>;
export type WantedTable = z.output<typeof WantedTable>;

const JsonText = z.string().transform((text, context) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    context.addIssue('must be JSON');
    return z.NEVER;
  }
});

const Properties = z.object({
  Nodes: JsonText.pipe(z.array(WantedNode)),
  ForgetSources: JsonText.pipe(z.array(NodeName)).default([]),
});

/** The canonical spelling of the name, for comparisons. */
export function trueName(table: { readonly name: string }): string {
  return formatTableName(parseTableName(table.name));
}

export interface Wanted {
  readonly nodes: readonly WantedNode[];
  /** Nodes whose sources are gone for good: their removal does not wait for an answer of the source. */
  readonly forgetSources: readonly string[];
}

/**
 * The state that a deployment wanted before, as far as it can be parsed. It may contain the mistake for which it was refused, or
 * come from a later version. A part that cannot be parsed was never made.
 */
export function formerState(properties: unknown): Wanted {
  const { Nodes, ForgetSources } = (properties ?? {}) as Record<string, unknown>;
  const nodes = parsedArray(Nodes).flatMap((value) => {
    const node = FormerNode.safeParse(value);
    if (!node.success) return [];
    const tables = node.data.tables.flatMap((table) => {
      const known = FormerTable.safeParse(table);
      return known.success && isTableName(known.data.name) ? [known.data] : [];
    });
    return [{ ...node.data, tables }];
  });
  return { nodes, forgetSources: parsedArray(ForgetSources).filter((name) => typeof name === 'string') };
}

/** The settings of an earlier state that still matter. Others are ignored. */
const FormerTable = z
  .object({
    name: z.string(),
    retention: z.string().nullable().catch(null),
    archive: WantedTable.shape.archive.catch(null),
  })
  .transform((table) => WantedTable.parse(table));
const FormerNode = z.object({
  node: NodeName,
  sourceSecretArn: SecretId,
  plugin: z.enum(['wal2json', 'pgoutput']).nullable().catch(null),
  slotName: z.string().nullable().catch(null),
  tables: z.array(z.unknown()).catch([]),
});

function parsedArray(text: unknown): unknown[] {
  try {
    const value: unknown = JSON.parse(String(text));
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function isTableName(name: string): boolean {
  try {
    parseTableName(name);
    return true;
  } catch {
    return false;
  }
}

/** Throws CONFIGURATION_WRONG or BAD_TABLE_NAME, before any work. */
export function wantedState(properties: unknown): Wanted {
  const { Nodes, ForgetSources } = parseSetting(Properties, properties, 'The properties of the deployment');
  for (const { name } of Nodes.flatMap((node) => node.tables)) parseTableName(name);
  return { nodes: Nodes, forgetSources: ForgetSources };
}
