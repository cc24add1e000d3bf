/**
 * The claim: the right of one run to write the history of a node. It is a session-level advisory lock, so a run that dies
 * loses it at once. Each claim raises the epoch and every write compares it, so a run that lost its session unnoticed writes
 * nothing. The lease is for a holder that is alive but frozen, for instance in COPY, where no server time-out fires: after the
 * lease has run out, the next run terminates the holder's session.
 */

import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { sqlState } from '../../pg/database-error.ts';
import { MARK_SQL, markOf, requireSameSession } from '../../pg/same-session.ts';
import { afterCommit, type StoreTransaction } from '../../pg/transaction.ts';
import { type CommitTime, formatCommitTime, parseCommitTime } from '../../types/commit-time.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';

/** The horizon of a node: the store is complete up to here. */
export interface Horizon {
  readonly lsn: Lsn;
  readonly time: CommitTime;
}

export interface Claim {
  readonly nodeId: string;
  readonly epoch: string;
  readonly lsnSpace: number;
  readonly leaseSeconds: number;
  /** The horizon as of the last commit of this claim: {@link writeHorizon} alone moves it. */
  readonly horizon: Horizon;
  /** Failed runs in a row before this one. */
  readonly failures: number;
}

/** First key of the advisory locks of pgtimewarp ("pgtw" in ASCII); the second is a hash of the node. */
const LOCK_CLASS = 0x70677477;
const LOCK_NOT_AVAILABLE = '55P03';
const INSUFFICIENT_PRIVILEGE = '42501';
/**
 * A role cannot see what a session of another login does, nor since when (PostgreSQL manual, "pg_stat_activity"). Such a
 * holder counts as frozen when its lease ran out this long ago, which is longer than an AWS function may run.
 */
const HIDDEN_FOR = '15 minutes';
/** SQL that lets logins which take turns (a rotation with two users) see and end each other's runs. */
export const SEE_EACH_OTHER = 'GRANT pg_read_all_stats, pg_signal_backend TO pgtimewarp_writer;';
const TAKE_OVER_TRIES = 15;
const LOOK_EVERY_MS = 100;
/** A holder counts as frozen when its lease has run out and this many looks found no new statement. */
const LOOKS = 3;

/**
 * Claims the node for this session. It first terminates a frozen holder whose lease has run out.
 * @returns null when another live run holds the node
 */
export async function claimNode(
  store: Queryable,
  nodeId: string,
  leaseSeconds: number,
): Promise<Claim | null> {
  let row = await tryClaim(store, nodeId, leaseSeconds);
  let stoodStill = { since: '', looks: 0 };
  for (let attempt = 0; !row.locked; attempt++) {
    const holder = await readHolder(store, nodeId);
    if (attempt >= TAKE_OVER_TRIES || (holder !== null && !holder.isPast)) return null;
    // a holder in a huge transaction cannot renew its lease, but it executes one statement after the other
    const looks = holder?.since === stoodStill.since ? stoodStill.looks + 1 : 0;
    stoodStill = { since: holder?.since ?? '', looks };
    if (holder !== null && looks >= LOOKS) await terminateHolder(store, nodeId, holder);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    row = await tryClaim(store, nodeId, leaseSeconds);
  }
  if (row.epoch === null) throw new TimewarpError('NODE_UNKNOWN', `The store has no node "${nodeId}".`);
  return {
    nodeId,
    epoch: row.epoch,
    lsnSpace: row.lsn_space,
    leaseSeconds,
    horizon: {
      lsn: parseLsn(row.applied_lsn),
      time: parseCommitTime(row.applied_ts),
    },
    failures: row.failures,
  };
}

interface ClaimRow {
  readonly locked: boolean;
  readonly mark: string | null;
  readonly epoch: string | null;
  readonly lsn_space: number;
  readonly applied_lsn: string;
  readonly applied_ts: string;
  readonly failures: number;
}

/** Takes lock and lease in one statement: a run that freezes then has both or none, so the next run can take over. */
async function tryClaim(store: Queryable, nodeId: string, leaseSeconds: number): Promise<ClaimRow> {
  const { rows } = await store.query<ClaimRow>(
    `WITH session AS MATERIALIZED (SELECT ${MARK_SQL} AS mark),
          lock AS MATERIALIZED (
            SELECT CASE WHEN $4::text IS NULL OR session.mark = $4::text
                        THEN pg_try_advisory_lock($1::int, hashtext($2::text)) ELSE false END AS locked,
                   session.mark
              FROM session),
          claimed AS (
            UPDATE pgtimewarp.wal_checkpoints AS c
               SET epoch = c.epoch + 1,
                   lease_pid = pg_backend_pid(),
                   lease_until = clock_timestamp() + make_interval(secs => $3::int)
              FROM lock
             WHERE lock.locked AND c.node_id = $2::text
            RETURNING c.epoch, c.lsn_space, c.applied_lsn, c.applied_ts,
                      -- runs that were only too slow do not count as failures
                      CASE WHEN c.failure ->> 'code' = 'NO_PROGRESS' THEN 0 ELSE c.failures END AS failures)
     SELECT lock.locked, lock.mark, claimed.epoch, claimed.lsn_space, claimed.applied_lsn, claimed.applied_ts, claimed.failures
       FROM lock LEFT JOIN claimed ON true`,
    [LOCK_CLASS, nodeId, leaseSeconds, markOf(store)],
  );
  requireSameSession(store, 'store', rows[0]!.mark);
  return rows[0]!;
}

/**
 * Releases the node before the session ends. A pooler may have changed the server process behind the session since the claim.
 * The former process would hold the lock as long as the pooler keeps it, so this ends that process.
 */
export async function releaseClaim(store: Queryable, claim: Claim): Promise<void> {
  const { rows } = await store.query<{ released: boolean }>(
    `SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE ${HELD_SQL} AND l.pid = pg_backend_pid())
                 THEN pg_advisory_unlock($1::int, hashtext($2::text)) ELSE false END AS released`,
    [LOCK_CLASS, claim.nodeId],
  );
  if (rows[0]!.released) return;
  await store.query(
    `SELECT pg_terminate_backend(l.pid)
       FROM pgtimewarp.wal_checkpoints AS c JOIN pg_catalog.pg_locks AS l ON l.pid = c.lease_pid
      WHERE ${HELD_SQL} AND c.node_id = $2::text AND c.epoch = $3::bigint AND l.pid <> pg_backend_pid()`,
    [LOCK_CLASS, claim.nodeId, claim.epoch],
  );
}

/** Of pg_locks: the advisory lock of the node, in this database (keys of two int4 have objsubid 2; objid is unsigned). */
const HELD_SQL = `l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
              AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
              AND l.classid = $1::int::oid AND l.objid = (hashtext($2::text)::int8 & 4294967295)::oid`;

/**
 * Locks the checkpoint until the end of the transaction, and checks that the claim still holds: no other run has claimed the
 * node since, and the horizon has not moved. Throws CLAIM_LOST otherwise, and SESSION_CHANGED behind a pooler that exchanges
 * sessions. The caller then writes nothing and advances nothing.
 */
export async function lockCheckpoint(store: StoreTransaction, claim: Claim): Promise<void> {
  let row: { epoch: string; applied_lsn: string; mark: string | null } | undefined;
  try {
    const { rows } = await store.query<NonNullable<typeof row>>(
      `SELECT epoch, applied_lsn, ${MARK_SQL} AS mark FROM pgtimewarp.wal_checkpoints WHERE node_id = $1::text FOR UPDATE NOWAIT`,
      [claim.nodeId],
    );
    row = rows[0];
  } catch (error) {
    if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
    throw new TimewarpError('CLAIM_LOST', `Another run is writing the node "${claim.nodeId}".`, {
      cause: error,
    });
  }
  if (row !== undefined) requireSameSession(store, 'store', row.mark);
  if (row?.epoch !== claim.epoch || parseLsn(row.applied_lsn) !== claim.horizon.lsn) {
    throw new TimewarpError('CLAIM_LOST', `Another run has taken the node "${claim.nodeId}" over.`, {
      facts: { ours: claim.epoch, theirs: row?.epoch ?? null },
    });
  }
}

/**
 * Moves the horizon and renews the lease; `claim.horizon` follows at the COMMIT. Until then no other node of the lineage can
 * define times.
 * @returns the marks of the lineage, see lineage.ts
 */
// biome-ignore lint/complexity/useMaxParams: each caller has exactly these values at hand
export async function writeHorizon(
  store: StoreTransaction,
  claim: Claim,
  horizon: Horizon,
  caughtUp: boolean,
): Promise<string | null> {
  const { rows } = await store.query<{ marks: string | null }>(
    `UPDATE pgtimewarp.wal_checkpoints
        SET applied_lsn = $3::pg_lsn, applied_ts = $4::timestamptz, caught_up = $5::boolean,
            failures = 0, failure = NULL,
            lease_until = clock_timestamp() + make_interval(secs => $6::int)
       FROM (SELECT pgtimewarp.lock_lineage($1::text) AS marks OFFSET 0) AS lineage
      WHERE node_id = $1::text AND epoch = $2::bigint
     RETURNING lineage.marks`,
    [
      claim.nodeId,
      claim.epoch,
      formatLsn(horizon.lsn),
      formatCommitTime(horizon.time),
      caughtUp,
      claim.leaseSeconds,
    ],
  );
  const moved = rows[0];
  if (moved === undefined) return null; // another run has the node
  afterCommit(store, () => {
    (claim as { horizon: Horizon }).horizon = horizon;
  });
  return moved.marks;
}

/** The horizon of a node, locked against runs until the end of the transaction. */
export async function lockHorizon(
  store: StoreTransaction,
  nodeId: string,
): Promise<Pick<Claim, 'nodeId' | 'lsnSpace' | 'horizon'>> {
  const { rows } = await store.query<{ lsn_space: number; applied_lsn: string; applied_ts: string }>(
    `SELECT lsn_space, applied_lsn, applied_ts FROM pgtimewarp.wal_checkpoints WHERE node_id = $1::text FOR UPDATE`,
    [nodeId],
  );
  const row = rows[0]!;
  const horizon = { lsn: parseLsn(row.applied_lsn), time: parseCommitTime(row.applied_ts) };
  return { nodeId, lsnSpace: row.lsn_space, horizon };
}

/**
 * Renews the lease of the claim on a second session. It skips a locked row: the claim's own session is then writing, so it is
 * alive (see {@link claimNode}).
 */
export async function renewLease(beside: Queryable, claim: Claim): Promise<void> {
  await beside.query(
    `UPDATE pgtimewarp.wal_checkpoints AS c SET lease_until = clock_timestamp() + make_interval(secs => $3::int)
       FROM (SELECT node_id FROM pgtimewarp.wal_checkpoints
              WHERE node_id = $1::text AND epoch = $2::bigint FOR UPDATE SKIP LOCKED) AS free
      WHERE c.node_id = free.node_id`,
    [claim.nodeId, claim.epoch, claim.leaseSeconds],
  );
}

/** The session that holds the lock of the node. Every role can see it in pg_locks. */
interface Holder {
  readonly pid: number;
  readonly role: string;
  /** Its lease has run out; for longer than {@link HIDDEN_FOR} if this role cannot see what it does. */
  readonly isPast: boolean;
  /** When it began or ended its last statement; empty if this role cannot see that. */
  readonly since: string;
}

async function readHolder(store: Queryable, nodeId: string): Promise<Holder | null> {
  const { rows } = await store.query<{ pid: number; role: string | null; past: boolean; since: string }>(
    `SELECT l.pid, a.usename AS role, coalesce(a.state_change::text, '') AS since,
            coalesce(c.lease_pid = l.pid -- else it claims the node at this moment
              AND c.lease_until < clock_timestamp() - CASE WHEN a.state_change IS NULL THEN interval '${HIDDEN_FOR}'
                                                           ELSE interval '0' END, false) AS past
       FROM pgtimewarp.wal_checkpoints AS c JOIN pg_catalog.pg_locks AS l ON ${HELD_SQL}
       LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
      WHERE c.node_id = $2::text`,
    [LOCK_CLASS, nodeId],
  );
  const row = rows[0];
  return row === undefined
    ? null
    : { pid: row.pid, role: row.role ?? 'unknown', isPast: row.past, since: row.since };
}

/** A run of another login whose activity this login cannot see; null: there is none. */
export async function readHiddenHolder(
  store: Queryable,
  nodeId: string,
): Promise<{ readonly pid: number; readonly role: string } | null> {
  const { rows } = await store.query<{ pid: number; role: string }>(
    `SELECT l.pid, coalesce(a.usename::text, 'unknown') AS role
       FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
      WHERE ${HELD_SQL} AND a.state_change IS NULL LIMIT 1`,
    [LOCK_CLASS, nodeId],
  );
  return rows[0] ?? null;
}

/**
 * Ends the session of a holder if its lease has still run out. Throws PERMISSION_DENIED when it belongs to another login that
 * this login may not signal: then only an administrator can free the node.
 */
async function terminateHolder(store: Queryable, nodeId: string, { pid, role }: Holder): Promise<void> {
  try {
    await store.query(
      `SELECT pg_catalog.pg_terminate_backend(l.pid)
         FROM pgtimewarp.wal_checkpoints AS c JOIN pg_catalog.pg_locks AS l ON ${HELD_SQL}
        WHERE c.node_id = $2::text AND l.pid = $3::int AND c.lease_until < clock_timestamp()`,
      [LOCK_CLASS, nodeId, pid],
    );
  } catch (error) {
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new TimewarpError(
      'PERMISSION_DENIED',
      `A run of node "${nodeId}" under another login (pid ${pid} of role ${role}) stands still, and this login may not end it.`,
      {
        cause: error,
        facts: { side: 'store', pid, role },
        remedy: `On the store, as an administrator: SELECT pg_terminate_backend(${pid}); ${SEE_EACH_OTHER}`,
      },
    );
  }
}
