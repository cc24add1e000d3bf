/** Reduces the catalog's description of a table to the part that runs store and compare. */

import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { whyNotInLog } from '../../source/catalog/trackable.ts';
import type { CatalogFacts, Published } from '../../types/catalog-facts.ts';
import { shapesOf } from '../../types/pg-types.ts';
import type { Plugin } from '../../types/plugin.ts';

/**
 * wal2json identifies tables by name, so the facts for it include which transaction gave each name. pgoutput identifies
 * tables by OID and needs no names.
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

/** Whether the publication shows every change of the table, with every tracked column. */
export function isPublishedWhole(facts: TableFacts, excluded: readonly string[]): boolean {
  return toPublished(facts, excluded)?.whole === true;
}

/** With excluded columns, a column list is fine: runs maintain it, and the decoder knows which columns it lacks. */
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
