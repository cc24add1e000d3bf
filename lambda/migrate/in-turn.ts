/**
 * Runs one request of a deployment at a time; the newest one decides. CloudFormation cancels a request without a message to the
 * function and sends the next one. Lambda may deliver a request twice, even much later. So a newer request stops the older one and
 * waits for its end. All copies of one request give the same answer: the first one that was stored.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudFormationCustomResourceEvent } from 'aws-lambda';
import type pg from 'pg';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect } from '../../core/pg/connection.ts';
import { fromDatabaseError } from '../../core/pg/database-error.ts';
import { endSession } from '../../core/pg/end-session.ts';
import { migrate, schemaVersion } from '../../core/store/schema/migrate.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { errorFields } from '../shared/observability.ts';
import { logger } from './logger.ts';
import { credentials } from './node-access.ts';
import type { Outcome } from './respond.ts';

/** First key of the advisory lock ("pgtd" in ASCII); the second is a hash of the deployment. */
const LOCK_CLASS = 0x70677464;
const PAUSE_MS = 250;
/** A request at work sends a query every {@link PAUSE_MS}. After this time without one it is frozen or dead, and the next takes its turn. */
const SILENT_FOR = '10 seconds';
/** Requests are not delivered again after this time. */
const KEPT_DAYS = 30;

const LOST = 'The request has lost its session with the store, and with it its turn.';

type Event = Pick<CloudFormationCustomResourceEvent, 'StackId' | 'LogicalResourceId' | 'RequestId'>;

export interface Turn {
  /** Its signal aborts when a newer request has come, or when the turn is lost. */
  readonly work: (superseded: AbortSignal) => Promise<Outcome>;
  /** The answer of a request for which a newer one came before its turn. */
  readonly refused: (error: TimewarpError) => Outcome;
}

/** Does the work when it is the turn of this request. Throws DEADLINE if `over` aborted during the wait. */
export async function inTurn(event: Event, over: AbortSignal, turn: Turn): Promise<Outcome> {
  const { storeSecretArn } = readConfiguration(['storeSecretArn']);
  const session = await credentials.withUrl(storeSecretArn, (url) =>
    connect(url, { side: 'store', node: `migrate ${event.RequestId}` }),
  );
  try {
    const arrival = await announce(session, event);
    await waitForTurn(session, { event, arrival, over });
    const given = await readAnswer(session, arrival);
    if (given !== null) {
      logger.info('this request was answered before', { status: given.status });
      return given;
    }
    const newer = await newerRequest(session, arrival);
    const outcome = newer === null ? await whileLast(session, arrival, turn.work) : turn.refused(newer);
    // without it, the request is only worked on again when it is delivered again
    return await keepAnswer(session, arrival, outcome).catch((error) => {
      logger.warn('the answer is not kept', errorFields(error));
      return outcome;
    });
  } catch (error) {
    throw fromDatabaseError(error, 'store'); // errors of the work are in its outcome
  } finally {
    endSession(session);
  }
}

/** Whether the turn was lost. Then another request may be at work already, so this one must undo nothing. */
export function isTurnLost(superseded: AbortSignal): boolean {
  return superseded.reason instanceof TimewarpError && superseded.reason.facts.turnLost === true;
}

const deploymentOf = ({ StackId, LogicalResourceId }: Event): string => `${StackId}/${LogicalResourceId}`;

/** @returns the place of the request among those of its deployment */
async function announce(session: pg.Client, event: Event): Promise<string> {
  if ((await schemaVersion(session)) === 0) await migrate(session);
  await session.query(
    `DELETE FROM pgtimewarp.deployment_requests WHERE arrived_at < now() - make_interval(days => $1::int)`,
    [KEPT_DAYS],
  );
  const request = [deploymentOf(event), event.RequestId];
  await session.query(
    `INSERT INTO pgtimewarp.deployment_requests (deployment, request_id) VALUES ($1::text, $2::text)
     ON CONFLICT ON CONSTRAINT deployment_requests_key DO NOTHING -- a second delivery keeps the place`,
    request,
  );
  const { rows } = await session.query<{ arrival: string }>(
    `SELECT arrival::text AS arrival FROM pgtimewarp.deployment_requests WHERE deployment = $1::text AND request_id = $2::text`,
    request,
  );
  return rows[0]!.arrival;
}

interface Waiting {
  readonly event: Event;
  readonly arrival: string;
  readonly over: AbortSignal;
}

/** Waits for the turn of this request. Returns without it if the request has an answer already, or if a newer request has come. */
async function waitForTurn(session: pg.Client, { event, arrival, over }: Waiting): Promise<void> {
  const key = [LOCK_CLASS, deploymentOf(event)];
  for (;;) {
    const { rows } = await session.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1::int, hashtext($2::text)) AS locked',
      key,
    );
    if (rows[0]!.locked) return;
    if ((await readAnswer(session, arrival)) !== null) return;
    if ((await newerRequest(session, arrival)) !== null) return;
    if (over.aborted)
      throw new TimewarpError('DEADLINE', 'Another request of this deployment is still at work.');
    await session.query(
      `SELECT pg_catalog.pg_terminate_backend(l.pid)
         FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.database = a.datid AND a.datname = current_database()
          AND l.classid = $1::int::oid AND l.objid::bigint = hashtext($2::text)::bigint & 4294967295 AND l.objsubid = 2
          AND a.state = 'idle' AND a.state_change < clock_timestamp() - interval '${SILENT_FOR}'`,
      key,
    );
    await sleep(PAUSE_MS);
  }
}

/** An error if a newer request of the deployment has come, so that this one must not work; null: this is the newest. */
async function newerRequest(session: pg.Client, arrival: string): Promise<TimewarpError | null> {
  const { rows } = await session.query(
    `SELECT FROM pgtimewarp.deployment_requests AS mine JOIN pgtimewarp.deployment_requests AS newer
         ON newer.deployment = mine.deployment AND newer.arrival > mine.arrival
      WHERE mine.arrival = $1::bigint LIMIT 1`,
    [arrival],
  );
  if (rows.length === 0) return null;
  return new TimewarpError('INTERRUPTED', 'A newer request of CloudFormation took the place of this one.', {
    remedy: 'Do nothing: the newer request decides the state.',
  });
}

async function readAnswer(session: pg.Client, arrival: string): Promise<Outcome | null> {
  const { rows } = await session.query<{ answer: string | null }>(
    'SELECT answer::text AS answer FROM pgtimewarp.deployment_requests WHERE arrival = $1::bigint',
    [arrival],
  );
  return outcomeFrom(rows[0]);
}

/**
 * Stores an answer unless the request has one.
 * @returns the stored answer. A waiting copy may store that a newer request came, while another copy ends its work. Either answer is
 * right, because the newer request decides the state of the databases, but all copies must give the same one.
 */
async function keepAnswer(session: pg.Client, arrival: string, outcome: Outcome): Promise<Outcome> {
  const { rows } = await session.query<{ answer: string }>(
    `UPDATE pgtimewarp.deployment_requests SET answer = coalesce(answer, $2::jsonb) WHERE arrival = $1::bigint
     RETURNING answer::text AS answer`,
    [arrival, JSON.stringify(outcome)],
  );
  return outcomeFrom(rows[0]) ?? outcome;
}

function outcomeFrom(row: { readonly answer: string | null } | undefined): Outcome | null {
  return row === undefined || row.answer === null ? null : (JSON.parse(row.answer) as Outcome);
}

/** Checks regularly that the request is still the newest one and still has its turn. */
async function whileLast<T>(
  session: pg.Client,
  arrival: string,
  work: (superseded: AbortSignal) => Promise<T>,
): Promise<T> {
  const superseded = new AbortController();
  const ended = new AbortController();
  const watch = async (): Promise<void> => {
    for (;;) {
      await sleep(PAUSE_MS, undefined, { signal: ended.signal });
      await session.query('SELECT 1'); // the turn ends with the session
      const newer = await newerRequest(session, arrival);
      if (newer !== null) throw newer;
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (ended.signal.aborted) return;
    logger.warn('this request is to end', errorFields(error));
    superseded.abort(
      error instanceof TimewarpError
        ? error
        : new TimewarpError('INTERRUPTED', LOST, { cause: error, facts: { turnLost: true } }),
    );
  });
  try {
    return await work(superseded.signal);
  } finally {
    ended.abort();
    await watching;
  }
}
