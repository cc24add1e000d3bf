/** The Iceberg table of a tracked table: its name, and that it belongs to this store. */
import { hash } from 'node:crypto';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import type { ArchiveTarget } from './archive-target.ts';
import type { LoadedTable, TableId } from './catalog.ts';
import { icebergSchema } from './columns.ts';
import type { ArchiveUnit } from './units.ts';

type Owner = Pick<ArchiveUnit, 'nodeId' | 'table' | 'archiveId'>;

const OWNER = 'pgtimewarp.archive';

/** Catalogs take small letters, digits and underscores; for another name a digest tells similar ones apart. */
export function tableId(nodeId: string, { schema, name }: TableName): TableId {
  const plain = `${schema}__${name}`;
  if (/^[a-z0-9_]{1,200}$/.test(plain) && plain.split('__').length === 2)
    return { namespace: nodeId, name: plain };
  const digest = hash('sha256', JSON.stringify([schema, name]), 'hex').slice(0, 10);
  const similar = plain
    .toLowerCase()
    .replace(/[^a-z0-9_]/g, '_')
    .slice(0, 150);
  return { namespace: nodeId, name: `${similar}_${digest}` };
}

/** Loads the table, or creates it. Throws ARCHIVE_FOREIGN when it is not this store's. */
export async function ensureTable({ catalog, baseUrl }: ArchiveTarget, owner: Owner): Promise<LoadedTable> {
  const id = tableId(owner.nodeId, owner.table);
  let table = await catalog.loadTable(id);
  if (table === null) {
    await catalog.createNamespace(id.namespace);
    table = await catalog.createTable(id, {
      location: `${baseUrl}/${id.namespace}/${id.name}`,
      schema: icebergSchema(),
      properties: {
        'format-version': '2',
        [OWNER]: owner.archiveId,
        'pgtimewarp.table': formatTableName(owner.table),
      },
    });
    table ??= await catalog.loadTable(id); // another archiver has created it at this moment
  }
  return requireOwn(table, owner);
}

/** As {@link ensureTable}, for a table that must exist: otherwise it throws ARCHIVE_DAMAGED. */
export async function requireTable({ catalog }: ArchiveTarget, owner: Owner): Promise<LoadedTable> {
  return requireOwn(await catalog.loadTable(tableId(owner.nodeId, owner.table)), owner);
}

function requireOwn(table: LoadedTable | null, owner: Owner): LoadedTable {
  const { namespace, name } = tableId(owner.nodeId, owner.table);
  const named = `The catalog's table ${namespace}.${name}`;
  if (table === null) throw new TimewarpError('ARCHIVE_DAMAGED', `${named} is missing.`);
  const { metadata } = table;
  if (metadata.properties?.[OWNER] !== owner.archiveId)
    throw new TimewarpError('ARCHIVE_FOREIGN', `${named} belongs to another store.`);
  if (metadata['format-version'] !== 2)
    throw new TimewarpError(
      'ARCHIVE_FOREIGN',
      `${named} has format version ${metadata['format-version']}; this version writes 2.`,
    );
  return table;
}
