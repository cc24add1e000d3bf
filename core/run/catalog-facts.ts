/** From what the catalog says of a table to the part of it that is kept and compared from run to run. */
import type { TableFacts } from '../slot/table-facts.ts';
import type { CatalogFacts } from '../types/catalog-facts.ts';

export function toCatalogFacts(facts: TableFacts): CatalogFacts {
  const { oid, relkind, persistence, replicaIdentity, identityIsPrimaryKey, filenode, owner, namedBy } =
    facts;
  return {
    ...{ oid, relkind, persistence, replicaIdentity, identityIsPrimaryKey, filenode, owner, namedBy },
    key: facts.key.map((column) => column.name),
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
