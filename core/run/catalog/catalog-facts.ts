/** From what the catalog says of a table to the part of it that is kept and compared from run to run. */

import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { whyNotInLog } from '../../source/catalog/trackable.ts';
import type { CatalogFacts, Published } from '../../types/catalog-facts.ts';
import { shapesOf } from '../../types/pg-types.ts';
import type { Plugin } from '../../types/plugin.ts';

/**
 * Names that are told apart by nothing but the transaction that gave them matter through wal2json, which finds changes by
 * names; pgoutput finds them by OIDs.
 * @param plugin through which the table is read @param excluded columns that are not tracked
 */
export function toCatalogFacts(facts: TableFacts, plugin: Plugin, excluded: readonly string[]): CatalogFacts {
  const { oid, relkind, persistence, filenode, toast, keyConstraint } = facts;
  const byName = plugin === 'wal2json';
  const tracked = facts.columns.filter((column) => !excluded.includes(column.name));
  return {
    ...{ oid, relkind, persistence, filenode, toast, keyConstraint },
    ...(byName ? { namedBy: facts.namedBy, namespace: facts.namespace } : {}),
    key: facts.key.map((column) => column.name),
    obstacle: whyNotInLog(facts, facts, plugin)?.message ?? null,
    ...(byName ? {} : { published: toPublished(facts, excluded) }),
    columns: facts.columns.map((column) => ({
      attnum: column.attnum,
      name: column.name,
      typeOid: column.typeOid,
      typeName: column.typeName,
      baseTypeOid: column.baseTypeOid,
      generated: column.generated,
      describedBy: column.describedBy,
      hasMissing: column.hasMissing,
      defaultOid: column.defaultOid,
    })),
    leaves: facts.leaves.map((leaf) => ({
      schema: leaf.schema,
      name: leaf.name,
      relid: leaf.relid,
      filenode: leaf.filenode,
      toast: leaf.toast,
      ...(byName ? { namedBy: leaf.namedBy, namespace: leaf.namespace } : {}),
      keyConstraint: leaf.keyConstraint,
      attachedBy: leaf.attachedBy,
    })),
    types: shapesOf(
      facts.types,
      tracked.map((column) => column.typeOid),
    ),
  };
}

/** Whether the publication that the facts were read for shows every change of the table, with all that is tracked of it. */
export function isPublishedWhole(facts: TableFacts, excluded: readonly string[]): boolean {
  return toPublished(facts, excluded)?.whole === true;
}

/** Where columns are excluded, what a list lacks is known to the decoder, and runs keep the list. */
function toPublished({ published, columns }: TableFacts, excluded: readonly string[]): Published | null {
  if (published === null || published.entry === null) return null;
  const { entry, changedBy, columns: listed } = published;
  const isListed =
    listed === null ||
    excluded.length > 0 ||
    columns.every(({ name, generated }) => generated !== '' || listed.includes(name));
  const isWhole =
    published.everyAction && !published.isFiltered && published.restrictedPartitions.length === 0;
  return { entry, changedBy, whole: isWhole && isListed };
}
