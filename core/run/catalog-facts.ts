/** From what the catalog says of a table to the part of it that is kept and compared from run to run. */
import type { TableFacts } from '../slot/table-facts.ts';
import type { CatalogFacts, Published } from '../types/catalog-facts.ts';
import type { Plugin } from '../types/plugin.ts';

/** @param plugin through which the table is read @param excluded columns that are not tracked */
export function toCatalogFacts(facts: TableFacts, plugin: Plugin, excluded: readonly string[]): CatalogFacts {
  const { oid, relkind, persistence, replicaIdentity, identityIsPrimaryKey, filenode, owner, namedBy } =
    facts;
  return {
    ...{ oid, relkind, persistence, replicaIdentity, identityIsPrimaryKey, filenode, owner, namedBy },
    key: facts.key.map((column) => column.name),
    ...(plugin === 'pgoutput' ? { published: toPublished(facts, excluded) } : {}),
    columns: facts.columns.map(
      ({ attnum, name, typeOid, typeName, baseTypeOid, generated, describedBy, hasMissing }) => ({
        ...{ attnum, name, typeOid, typeName, baseTypeOid, generated, describedBy, hasMissing },
      }),
    ),
    leaves: facts.leaves.map(
      ({
        schema,
        name,
        relid,
        persistence: logged,
        replicaIdentity: identity,
        filenode: file,
        attachedBy,
      }) => ({
        ...{
          schema,
          name,
          relid,
          persistence: logged,
          replicaIdentity: identity,
          filenode: file,
          attachedBy,
        },
      }),
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
  const { entry, changedBy, owner, columns: listed } = published;
  const isListed =
    listed === null ||
    excluded.length > 0 ||
    columns.every(({ name, generated }) => generated !== '' || listed.includes(name));
  const isWhole =
    published.everyAction && !published.isFiltered && published.restrictedPartitions.length === 0;
  return { entry, changedBy, owner, whole: isWhole && isListed };
}
