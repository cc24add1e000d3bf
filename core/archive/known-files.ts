/** What the store knows of the files of a relation, and whether these are all files that there must be. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { parseLsn } from '../types/lsn.ts';
import type { RowGroupPlace } from './row-groups.ts';

/** Throws ARCHIVE_DAMAGED unless verified units, with all their files, follow each other up to the cutoff. */
export async function requireAllFiles(
  store: Queryable,
  { relationId, before }: { readonly relationId: number; readonly before: string },
): Promise<void> {
  const { rows } = await store.query<{ is_whole: boolean }>(
    `SELECT coalesce(pgtimewarp.archive_verified_to($1::int) >= $2::pg_lsn, false)
              AND NOT EXISTS (
                SELECT FROM pgtimewarp.archive_units AS u
                 WHERE u.relation_id = $1::int AND u.from_lsn < $2::pg_lsn
                   AND u.row_count <> (SELECT coalesce(sum(f.row_count), 0) FROM pgtimewarp.archive_files AS f
                                        WHERE f.relation_id = u.relation_id AND f.unit = u.unit)) AS is_whole`,
    [relationId, before],
  );
  if (rows[0]!.is_whole) return;
  throw new TimewarpError(
    'ARCHIVE_DAMAGED',
    `The store does not know all files of relation ${relationId} before ${before}.`,
  );
}

/** A row group of a unit. */
export interface KnownGroup {
  readonly unit: number;
  /** The unit's interval: from here, inclusive. */
  readonly from: bigint;
  /** Exclusive. */
  readonly to: bigint;
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly place: RowGroupPlace;
}

/** The groups with keys after `after` of units that begin before `before`: unit after unit, in each in the order of keys. */
export async function readGroupsAfter(
  store: Queryable,
  { relationId, before, after }: { relationId: number; before: string; after: string },
): Promise<KnownGroup[]> {
  const { rows } = await store.query<{
    unit: number;
    from_lsn: string;
    to_lsn: string;
    path: string;
    sha256: string;
    bytes: string;
    place: string;
  }>(
    `SELECT u.unit, u.from_lsn::text, u.to_lsn::text, f.path, f.sha256, f.bytes::text, g.place::text
       FROM pgtimewarp.archive_units AS u
       JOIN pgtimewarp.archive_files AS f ON f.relation_id = u.relation_id AND f.unit = u.unit
      CROSS JOIN LATERAL jsonb_array_elements(f.groups) WITH ORDINALITY AS g (place, number)
      WHERE u.relation_id = $1::int AND u.from_lsn < $2::pg_lsn AND f.max_pk > $3::text
        AND (g.place ->> 'max') COLLATE "C" > $3::text
      ORDER BY u.unit, f.min_pk, g.number`,
    [relationId, before, after],
  );
  return rows.map(({ unit, from_lsn, to_lsn, path, sha256, bytes, place }) => ({
    unit,
    from: parseLsn(from_lsn),
    to: parseLsn(to_lsn),
    path,
    sha256,
    bytes: Number.parseInt(bytes, 10),
    place: JSON.parse(place) as RowGroupPlace, // our own
  }));
}
