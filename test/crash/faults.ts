/**
 * The faults that can happen to a run that is stopped at one of its statements. Every fault is real: processes are killed,
 * sessions terminated, servers crashed, disks filled.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { LocalServer } from '../../cli/servers/start-server.ts';
import { poll } from '../../core/poll.ts';
import { type Fork, onDatabase } from '../support/backlog.ts';
import type { CrashServers } from '../support/crash-servers.ts';
import type { StoppedRun } from '../support/stopped-run.ts';
import { connectForTest } from '../support/test-client.ts';

export interface Fault {
  readonly name: string;
  /** Whether the fault is possible at this point. */
  readonly strikes: (point: string) => boolean;
  /** The short form of the matrix tries every n-th of these points. */
  readonly every: number;
  /** SQL on the store before the run begins. */
  readonly prepare?: string;
  readonly strike: (context: FaultContext) => Promise<void>;
}

export interface FaultContext {
  readonly servers: CrashServers;
  readonly fork: Fork;
  readonly run: StoppedRun;
  /** Reports what was wrong, without ending the trial. */
  readonly complain: (what: string) => void;
}

/**
 * A frozen run holds a lock on its row of the checkpoint, so no other session can end its lease. The lease has therefore
 * already ended when the run begins.
 */
export const LEASES_ARE_PAST = `
  CREATE FUNCTION lease_is_past() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.lease_until := clock_timestamp() - interval '1 second'; RETURN NEW; END $$;
  CREATE TRIGGER lease_is_past BEFORE UPDATE ON pgtimewarp.wal_checkpoints
    FOR EACH ROW EXECUTE FUNCTION lease_is_past()`;

const unanswered = (point: string): boolean => point.endsWith('unanswered');
const atSource = (point: string): boolean => point.startsWith('source');

export const FAULTS: readonly Fault[] = [
  {
    name: 'killed',
    strikes: () => true,
    every: 3,
    strike: async ({ run }) => {
      run.child.kill('SIGKILL');
    },
  },
  {
    name: 'source lost',
    strikes: atSource,
    every: 3,
    strike: async ({ fork, run }) => {
      await terminateSessions(fork.sourceUrl, fork.node);
      run.resume('lost');
    },
  },
  {
    name: 'store lost',
    strikes: (point) => !atSource(point),
    every: 4,
    strike: async ({ fork, run }) => {
      await terminateSessions(fork.storeUrl, fork.node);
      run.resume('lost');
    },
  },
  {
    name: 'taken over',
    strikes: (point) => !unanswered(point),
    every: 6,
    prepare: LEASES_ARE_PAST,
    strike: takeOver,
  },
  {
    name: 'time-out',
    strikes: (point) => point.endsWith('before'),
    every: 8,
    strike: async ({ run }) => run.resume('time-out'),
  },
  {
    name: 'advance refused',
    strikes: (point) => point.includes('pg_replication_slot_advance') && !unanswered(point),
    every: 1,
    strike: refuseAdvance,
  },
  {
    name: 'source crashed',
    strikes: () => true,
    every: 12,
    strike: ({ servers, run }) => crash(servers.source, run),
  },
  {
    name: 'store crashed',
    strikes: () => true,
    every: 12,
    strike: ({ servers, run }) => crash(servers.store, run),
  },
  {
    name: 'disk full',
    strikes: (point) => !atSource(point) && /INSERT|UPDATE|COPY|COMMIT/.test(point) && !unanswered(point),
    every: 9,
    strike: fillDisk,
  },
];

async function crash(server: LocalServer, run: StoppedRun): Promise<void> {
  await server.restart('immediate');
  run.resume('lost');
}

/**
 * The run is frozen and its lease has ended: another run takes the node over and does the work. When the first run wakes up, it
 * must neither change the store nor move the slot.
 */
async function takeOver({ fork, run, complain }: FaultContext): Promise<void> {
  run.child.kill('SIGSTOP');
  const claimed =
    (await readValue(
      fork.storeUrl,
      `SELECT count(*)::text AS value FROM pg_locks
        WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [],
    )) !== '0';
  const other = await poll(fork);
  if (other.outcome !== 'done') complain(`the node was not taken over: ${other.outcome}`);
  const before = [await slotPosition(fork), await epochOf(fork), ...(await fork.dump())].join('\n');
  run.resume('go');
  run.child.kill('SIGCONT');
  const end = await run.ended;
  if (!claimed) return; // the stopped run has no claim yet, or has released it: this run works normally
  const after = [await slotPosition(fork), await epochOf(fork), ...(await fork.dump())].join('\n');
  if (before !== after) complain(`the woken run changed something (exit code ${end.code})`);
}

/** Another session reads the slot through the replication protocol and confirms nothing. */
async function refuseAdvance({ fork, run }: FaultContext): Promise<void> {
  const reader = new pg.Client({
    connectionString: fork.sourceUrl,
    application_name: 'pgtimewarp/reader',
    replication: 'database',
  } as pg.ClientConfig);
  reader.on('error', () => undefined);
  await reader.connect();
  const plugin = await readValue(
    fork.sourceUrl,
    'SELECT plugin AS value FROM pg_replication_slots WHERE slot_name = $1::name',
    [fork.slot],
  );
  const options =
    plugin === 'wal2json' ? '' : `(proto_version '1', publication_names 'pgtimewarp_${fork.node}')`;
  const reading = reader.query(`START_REPLICATION SLOT ${fork.slot} LOGICAL 0/0 ${options}`);
  reading.catch(() => undefined); // the reader stops with its session
  try {
    await eventually(
      async () =>
        (await readValue(
          fork.sourceUrl,
          'SELECT active::text AS value FROM pg_replication_slots WHERE slot_name = $1::name',
          [fork.slot],
        )) === 'true',
    );
    run.resume('go');
    await run.ended;
  } finally {
    await terminateSessions(fork.sourceUrl, 'reader');
    await reader.end().catch(() => undefined);
  }
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const patience = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > patience) throw new Error('it never came about');
    await sleep(20);
  }
}

async function fillDisk({ servers, run }: FaultContext): Promise<void> {
  await servers.disk!.fill();
  try {
    run.resume('go');
    await run.ended;
  } finally {
    await servers.disk!.empty();
  }
  // A full disk for WAL ends the server (PostgreSQL manual, "Disk Full Failure"): it comes back with room.
  await servers.store.start().catch(() => {});
}

async function terminateSessions(url: string, node: string): Promise<void> {
  await onDatabase(
    url,
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE application_name = $1::text AND datname = current_database()`,
    [`pgtimewarp/${node}`],
  );
}

/** The position of the slot: nothing before it is delivered again. */
export async function slotPosition(fork: Fork): Promise<string> {
  return await readValue(
    fork.sourceUrl,
    'SELECT confirmed_flush_lsn AS value FROM pg_replication_slots WHERE slot_name = $1::name',
    [fork.slot],
  );
}

/** The position that the store has stored. */
export async function appliedPosition(fork: Fork): Promise<string> {
  return await readValue(fork.storeUrl, 'SELECT applied_lsn AS value FROM pgtimewarp.wal_checkpoints', []);
}

async function epochOf(fork: Fork): Promise<string> {
  return await readValue(fork.storeUrl, 'SELECT epoch::text AS value FROM pgtimewarp.wal_checkpoints', []);
}

async function readValue(url: string, sql: string, values: readonly string[]): Promise<string> {
  const session = await connectForTest(url);
  try {
    const { rows } = await session.query<{ value: string }>(sql, [...values]);
    return rows[0]!.value;
  } finally {
    await session.end();
  }
}
