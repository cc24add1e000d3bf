/**
 * The publication of a pgoutput node. It is made empty and BEFORE the slot: pgoutput looks publications up in the
 * catalog as of the position in the log, so a slot that is older than its publication can never be read.
 */
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { sqlState } from '../../pg/database-error.ts';
import { quoteIdentifier } from '../../pg/identifiers.ts';
import { readServerVersion } from '../../pg/server-version.ts';
import type { Plugin } from '../../types/plugin.ts';

const FIRST_WITH_GENERATED_COLUMNS = 180_000;

/** How a publication is made where the server knows the choice. */
export const SHOW_GENERATED = 'SET (publish_generated_columns = stored)';

/** The name of a node's publication. */
export function publicationName(node: string): string {
  return `pgtimewarp_${node}`;
}

/** The publication that a node is read through; null: its plugin needs none. */
export function publicationOf({
  node,
  plugin,
}: {
  readonly node: string;
  readonly plugin: Plugin;
}): string | null {
  return plugin === 'pgoutput' ? publicationName(node) : null;
}

export async function publicationExists(source: Queryable, name: string): Promise<boolean> {
  const { rows } = await source.query('SELECT FROM pg_catalog.pg_publication WHERE pubname = $1::name', [
    name,
  ]);
  return rows.length > 0;
}

/**
 * Makes the publication unless it is there. Changes of partitions come under the leaf's name: through the root,
 * truncates of a leaf would be missing. Stored generated columns come along where the server can send them (18): it refuses
 * UPDATE and DELETE where a replica identity has one that is not published.
 * @returns whether it was made
 */
export async function ensurePublication(source: Queryable, name: string): Promise<boolean> {
  if (await publicationExists(source, name)) {
    await refuseForeignPublication(source, name);
    if (await hidesGenerated(source, name)) await showGenerated(source, name); // made before the server was upgraded, for one
    return false;
  }
  const isCarrying = (await readServerVersion(source)) >= FIRST_WITH_GENERATED_COLUMNS;
  const generated = isCarrying ? ', publish_generated_columns = stored' : '';
  const sql = `CREATE PUBLICATION ${quoteIdentifier(name)} WITH (publish_via_partition_root = false${generated})`;
  await asOwner(source, sql, 'CREATE on the database');
  return true;
}

/** Has stored generated columns come along again. Throws PUBLICATION_RIGHTS with the SQL for its owner. */
export async function showGenerated(source: Queryable, name: string): Promise<void> {
  await asOwner(source, `ALTER PUBLICATION ${quoteIdentifier(name)} ${SHOW_GENERATED}`, 'its owner');
}

async function hidesGenerated(source: Queryable, name: string): Promise<boolean> {
  const { rows } = await source.query<{ hidden: boolean }>(
    `SELECT coalesce(to_jsonb(p) ->> 'pubgencols' = 'n', false) AS hidden
       FROM pg_catalog.pg_publication AS p WHERE p.pubname = $1::name`,
    [name],
  );
  return rows[0]?.hidden === true;
}

/** Drops the publication; nothing when there is none. @returns whether it was there */
export async function dropPublication(source: Queryable, name: string): Promise<boolean> {
  if (!(await publicationExists(source, name))) return false;
  await asOwner(source, `DROP PUBLICATION ${quoteIdentifier(name)}`, 'its owner');
  return true;
}

/** A publication of that name which shows changes in another way than we read them is somebody else's. */
async function refuseForeignPublication(source: Queryable, name: string): Promise<void> {
  const { rows } = await source.query<{ usable: boolean }>(
    `SELECT NOT pubviaroot AND NOT puballtables AND pubinsert AND pubupdate AND pubdelete AND pubtruncate AS usable
       FROM pg_catalog.pg_publication WHERE pubname = $1::name`,
    [name],
  );
  if (rows[0]?.usable === false) {
    throw new TimewarpError(
      'SLOT_CONFLICT',
      `A publication "${name}" exists that does not publish as pgtimewarp reads.`,
      {
        remedy: `Drop it (DROP PUBLICATION ${quoteIdentifier(name)}), or choose another --node name.`,
        facts: { publication: name },
      },
    );
  }
}

async function asOwner(source: Queryable, sql: string, right: string): Promise<void> {
  try {
    await source.query(sql);
  } catch (error) {
    if (sqlState(error) !== '42501') throw error;
    throw new TimewarpError('PUBLICATION_RIGHTS', `The publication needs ${right}: ${sql};`, {
      cause: error,
    });
  }
}
