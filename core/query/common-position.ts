/**
 * One position for every table of an export. Within a node one instant is one position. Nodes of one server have one log and one clock
 * (docs/decisions/0023-one-clock.md), so one LSN, at most the horizon of each, means the same commits in all of them.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatLsn, type Lsn, parseLsn } from '../types/lsn.ts';
import { isKnownSystem } from '../types/server-identity.ts';
import { type Instant, instantParameters, parseInstant } from './instant.ts';
import { fromQueryError } from './query-error.ts';

export interface CommonPosition {
  /** To ask each of the nodes. */
  readonly at: Instant;
  /** The text of the user; null: now. */
  readonly requested: string | null;
  /** Whether later runs can add commits before the instant. */
  readonly isBeyond: boolean;
  /** The last commit of the nodes at the instant, or their horizon; null: the instant is before everything they know. */
  readonly lsn: string | null;
}

/** Throws NODE_UNKNOWN, and BAD_FLAGS for nodes whose commits have no common order. */
export async function commonPosition(
  store: Queryable,
  nodes: readonly string[],
  at: Instant,
): Promise<CommonPosition> {
  const [ts, lsn, requested] = instantParameters(at);
  const { rows } = await store
    .query<NodeRow>(
      `SELECT a.node_id, n.system_identifier, n.timeline, c.applied_lsn::text, p.lsn::text, coalesce(p.lsn_space = c.lsn_space, true) AS is_present,
              CASE WHEN $3::pg_lsn IS NULL THEN coalesce($2::timestamptz > c.applied_ts, true) ELSE $3::pg_lsn > c.applied_lsn END AS is_beyond
         FROM unnest($1::text[]) WITH ORDINALITY AS a (node_id, place)
         LEFT JOIN pgtimewarp.nodes AS n ON n.node_id = a.node_id
         LEFT JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = a.node_id
         LEFT JOIN LATERAL (
              SELECT least($3::pg_lsn, c.applied_lsn) AS lsn, c.lsn_space WHERE $3::pg_lsn IS NOT NULL
               UNION ALL
              SELECT c.applied_lsn, c.lsn_space WHERE $3::pg_lsn IS NULL AND coalesce($2::timestamptz >= c.applied_ts, true)
               UNION ALL
              SELECT m.lsn, m.lsn_space FROM pgtimewarp.commit_at_time(c.node_id, NULL, $2::timestamptz) AS m
               WHERE $2::timestamptz < c.applied_ts) AS p ON true
        ORDER BY a.place`,
      [nodes, ts, lsn],
    )
    .catch((error: unknown) => {
      throw fromQueryError(error);
    });
  for (const row of rows)
    if (row.system_identifier === null)
      throw new TimewarpError('NODE_UNKNOWN', `The store has no node "${row.node_id}".`);
  const isBeyond = rows.some((row) => row.is_beyond !== false);
  const last = extreme(
    rows,
    ({ lsn: position }) => position,
    (each, found) => each > found,
  );
  if (rows.length === 1 || last === null) return { at, requested, isBeyond, lsn: last && formatLsn(last) };
  requireOneLog(rows);
  const horizon = extreme(
    rows,
    ({ applied_lsn: applied }) => applied,
    (each, found) => each < found,
  )!;
  let common = last;
  if (horizon < common) common = horizon;
  const text = formatLsn(common);
  return { at: parseInstant(text), requested, isBeyond, lsn: text };
}

/** The greatest, or the smallest, of the positions of nodes; null: none has one. */
function extreme(
  rows: readonly NodeRow[],
  of: (row: NodeRow) => string | null,
  isBetter: (each: Lsn, found: Lsn) => boolean,
): Lsn | null {
  let found: Lsn | null = null;
  for (const row of rows) {
    const text = of(row);
    const each = text === null ? null : parseLsn(text);
    if (each !== null && (found === null || isBetter(each, found))) found = each;
  }
  return found;
}

interface NodeRow {
  readonly node_id: string;
  readonly system_identifier: string | null;
  readonly timeline: number | null;
  readonly applied_lsn: string | null;
  readonly lsn: string | null;
  /** Whether the position is in the present LSN space of the node. */
  readonly is_present: boolean;
  readonly is_beyond: boolean | null;
}

/** Throws unless the nodes follow one server on one timeline, at the instant as well. */
function requireOneLog(rows: readonly NodeRow[]): void {
  const [first, ...others] = rows as [NodeRow, ...NodeRow[]];
  const isOne = others.every(
    (each) =>
      each.system_identifier === first.system_identifier &&
      each.timeline === first.timeline &&
      isKnownSystem({ systemIdentifier: first.system_identifier ?? '' }),
  );
  if (isOne && rows.every((row) => row.is_present)) return;
  const names = rows.map((row) => row.node_id).join(', ');
  throw new TimewarpError(
    'BAD_FLAGS',
    isOne
      ? `At that time the nodes ${names} followed another server: their commits have no common order.`
      : `The nodes ${names} follow different servers or timelines: their commits have no common order.`,
    { remedy: 'Export each of them by itself.' },
  );
}
