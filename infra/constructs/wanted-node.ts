/** The state of a node in the property of the custom resource (lambda/migrate/properties.ts). */
import type { ObservedNode } from './observed-node.ts';

/** Of a node by the convention it has only what is not the default: there may be a thousand of them, and the property has a limit. */
export function wantedNode({
  node,
  secretArn,
  reference,
  plugin,
  slotName,
  tables,
}: Pick<ObservedNode, 'node' | 'secretArn' | 'reference' | 'plugin' | 'slotName' | 'tables'>): object {
  const whole = { node, sourceSecretArn: reference, plugin, slotName, tables };
  if (secretArn !== null) return whole;
  return {
    ...said(whole),
    tables: tables.map(({ baseline, ...table }) => ({ ...said(table), ...(baseline ? {} : { baseline }) })),
  };
}

/** Without members that are null, false or empty. */
function said(values: object): object {
  return Object.fromEntries(
    Object.entries(values).filter(
      ([, value]) => value !== null && value !== false && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
