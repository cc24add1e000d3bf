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
/** The place in /proc/PID/stat, behind the name of the program, of the user time of ended children. The system time follows. */
const CHILDREN = 13;

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

/** Runs work that opens sessions of the server and ends them. @returns the processor time of all sessions that ended meanwhile, in ms */
export async function processorOfSessions(
  { server }: BenchServer,
  work: () => Promise<unknown>,
): Promise<number> {
  const postmaster = (await readFile(join(server.dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]!;
  const spent = async (): Promise<number> => {
    const text = await readFile(`/proc/${postmaster}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = [fields[CHILDREN]!, fields[CHILDREN + 1]!].map((field) => Number.parseInt(field, 10));
    return (ticks[0]! + ticks[1]!) * MS_PER_TICK;
  };
  await setTimeout(SETTLE_MS);
  const before = await spent();
  await work();
  await setTimeout(SETTLE_MS);
  return (await spent()) - before;
}

/** Until the server has noticed that a session has ended. */
const SETTLE_MS = 500;
