/**
 * Processor time of local servers: steadier than the clock on a machine that others use too. Linux counts it for each process in
 * nanoseconds, and for the children that a process has waited for in hundredths of a second.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';
import type { BenchServer } from '../harness.ts';

const MS_PER_TICK = 10;
/** The places in /proc/PID/stat, behind the name of the program, of its own time and that of its children that have ended. */
const [FIRST_TIME, LAST_TIME] = [11, 14];

/** Measures sessions of these processes. Returns a function: runs the work. @returns the processor time that they took, in ms */
export function processorOf(pids: readonly number[]): (work: () => Promise<unknown>) => Promise<number> {
  const spent = async (): Promise<number> => {
    const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/schedstat`, 'utf8')));
    return texts.reduce((sum, text) => sum + Number.parseInt(text, 10) / 1e6, 0);
  };
  return async (work) => {
    const before = await spent();
    await work();
    return (await spent()) - before;
  };
}

/** The process of a session on the server. */
export async function pidOf(session: pg.Client): Promise<number> {
  const { rows } = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]!.pid;
}

/** Of the server so far, those of its sessions that have ended included, in ms. */
export async function processorMs({ server }: BenchServer): Promise<number> {
  const file = await readFile(join(server.dataDir, 'postmaster.pid'), 'utf8');
  const stat = await readFile(`/proc/${file.split('\n')[0]}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields
    .slice(FIRST_TIME, LAST_TIME + 1)
    .reduce((sum, ticks) => sum + Number.parseInt(ticks, 10) * MS_PER_TICK, 0);
}

/** Runs work that opens sessions of the server and ends them. @returns the processor time of all sessions that ended meanwhile, in ms */
export async function processorOfSessions(
  server: BenchServer,
  work: () => Promise<unknown>,
): Promise<number> {
  await setTimeout(SETTLE_MS);
  const before = await processorMs(server);
  await work();
  await setTimeout(SETTLE_MS);
  return (await processorMs(server)) - before;
}

/** Until the server has noticed that a session has ended. */
const SETTLE_MS = 500;
