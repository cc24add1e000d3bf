/**
 * The publication of a pgoutput node. It is created empty and BEFORE the slot. pgoutput looks up publications in the catalog as of the
 * position in the log, so a slot that is older than its publication can never be read.
 */
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { sqlState } from '../../pg/database-error.ts';
import { quoteIdentifier } from '../../pg/identifiers.ts';
import { readServerVersion } from '../../pg/server-version.ts';
import type { Plugin } from '../../types/plugin.ts';

const FIRST_WITH_GENERATED_COLUMNS = 180_000;

/** The setting for servers that can publish generated columns. */
export const SHOW_GENERATED = 'SET (publish_generated_columns = stored)';

/** The name of the publication of a node. */
export function publicationName(node: string): string {
  return `pgtimewarp_${node}`;
}

/** The publication through which a node is read; null: its plugin needs none. */
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
 * Creates the publication unless it exists. Changes of partitions come under the name of the leaf: under that of the root, truncates of a
 * leaf would be missing. Stored generated columns are published if the server can do that (18): it refuses UPDATE and DELETE of a table
 * whose replica identity has an unpublished one.
 * @returns whether it was created
 */
export async function ensurePublication(source: Queryable, name: string): Promise<boolean> {
  if (await publicationExists(source, name)) {
    await refuseForeignPublication(source, name);
    if (await hidesGenerated(source, name)) await showGenerated(source, name); // for instance a publication from before an upgrade of the server
    return false;
  }
  const isCarrying = (await readServerVersion(source)) >= FIRST_WITH_GENERATED_COLUMNS;
  const generated = isCarrying ? ', publish_generated_columns = stored' : '';
  const sql = `CREATE PUBLICATION ${quoteIdentifier(name)} WITH (publish_via_partition_root = false${generated})`;
  await asOwner(source, sql, 'CREATE on the database');
  return true;
}

/** Publishes stored generated columns. Throws PUBLICATION_RIGHTS with the SQL for the owner. */
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

/** Drops the publication; does nothing if it does not exist. @returns whether it existed */
export async function dropPublication(source: Queryable, name: string): Promise<boolean> {
  if (!(await publicationExists(source, name))) return false;
  await asOwner(source, `DROP PUBLICATION ${quoteIdentifier(name)}`, 'its owner');
  return true;
}

/** A publication of that name that shows changes in another way than we need belongs to another program. */
async function refuseForeignPublication(source: Queryable, name: string): Promise<void> {
  const { rows } = await source.query<{ usable: boolean }>(
    `SELECT NOT pubviaroot AND NOT puballtables AND pubinsert AND pubupdate AND pubdelete AND pubtruncate AS usable
       FROM pg_catalog.pg_publication WHERE pubname = $1::name`,
    [name],
  );
  if (rows[0]?.usable === false) {
    throw new TimewarpError(
      'SLOT_CONFLICT',
      `A publication "${name}" exists, but with other settings than pgtimewarp needs.`,
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
