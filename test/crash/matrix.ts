/**
 * A run is stopped at each of its statements and gets each fault that can happen there. Afterwards the next run must leave the
 * store that an undisturbed run leaves. At no point may the slot be ahead of the store. The short form (CI) tries every point
 * for kills and lost connections, and samples of the other faults; CRASH_MATRIX=full tries all.
 */
import { createColors } from 'picocolors';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { plainTable } from '../../cli/render/plain-table.ts';
import { type Lsn, parseLsn } from '../../core/types/lsn.ts';
import type { Plugin } from '../../core/types/plugin.ts';
import { type Backlog, type Fork, makeBacklog, onDatabase, runToEnd } from '../support/backlog.ts';
import {
  BASELINE_STILL_TO_READ,
  CRASH_TABLES,
  prepareCrashTables,
  writeCrashHistory,
} from '../support/crash-history.ts';
import { type CrashServers, startCrashServers } from '../support/crash-servers.ts';
import { describeNeeding } from '../support/needs.ts';
import { needOf } from '../support/plugins.ts';
import { type EndedRun, pointsOf, runUntil } from '../support/stopped-run.ts';
import { appliedPosition, FAULTS, type Fault, slotPosition } from './faults.ts';

const FULL = process.env.CRASH_MATRIX === 'full';
const TIMEOUT_MS = FULL ? 3_600_000 : 480_000;
const TRIED = { right: '✓', wrong: '✗', left: '·', missed: 'not reached', cannot: '' };

/** Defines the tests of one plugin. */
export function crashMatrix(plugin: Plugin): void {
  describeNeeding(needOf(plugin), `a run through ${plugin}, stopped at every statement`, () => {
    let servers: CrashServers;
    let backlog: Backlog;
    let points: string[] = [];
    const cells = new Map<string, string>();

    beforeAll(async () => {
      servers = await startCrashServers();
      backlog = await makeBacklog({
        plugin,
        sourceServer: servers.source.url(),
        storeServer: servers.store.url(),
        prepare: prepareCrashTables,
        tables: CRASH_TABLES,
        write: writeCrashHistory,
        store: BASELINE_STILL_TO_READ,
      });
      const fork = await backlog.fork();
      points = distinct(await pointsOf(fork));
      await fork.drop();
    }, 120_000);

    afterAll(async () => {
      console.log(table(plugin, points, cells));
      await backlog?.[Symbol.asyncDispose]();
      await servers?.[Symbol.asyncDispose]();
    });

    test('the statements at which faults are injected cover the run', () => {
      for (const label of ['claim', 'peek', 'write', 'map', 'baseline', 'advance'] as const) {
        expect(
          points.some((point) => COVERED[label].test(point)),
          `${label} in ${points.join('\n')}`,
        ).toBe(true);
      }
    });

    for (const fault of FAULTS) {
      test(
        `${fault.name}: the next run leaves what an undisturbed run leaves`,
        async (context) => {
          if (fault.name === 'disk full' && servers.disk === null)
            context.skip('no disk can be mounted here');
          const wrong: string[] = [];
          const struck = new Set<string>();
          const possible = points.filter(fault.strikes);
          for (const point of possible) cells.set(cell(point, fault), TRIED.left);
          for (const point of possible.filter((_, index) => FULL || index % fault.every === 0)) {
            const complaints = await trial(servers, backlog, point, fault);
            if (complaints === null) {
              cells.set(cell(point, fault), TRIED.missed);
              continue;
            }
            struck.add(unnumbered(point));
            cells.set(cell(point, fault), complaints.length === 0 ? TRIED.right : TRIED.wrong);
            wrong.push(...complaints.map((complaint) => `${point}: ${complaint}`));
          }
          expect(wrong).toEqual([]);
          expect(struck.size).toBeGreaterThan(0);
          // One repetition of a statement may be missing. If all repetitions of a statement were missing, the matrix would have
          // a hole.
          if (FULL) expect(possible.map(unnumbered).filter((point) => !struck.has(point))).toEqual([]);
        },
        TIMEOUT_MS,
      );
    }
  });
}

const COVERED = {
  claim: /store: WITH pg_try_advisory_lock, before/,
  peek: /source: .*pg_logical_slot_peek.*, before/,
  write: /store: COPY row_changes.*, inside/,
  map: /store: COPY lsn_time_map.*, inside/,
  baseline: /store: UPDATE tracked_relations.*, before/,
  advance: /source: SELECT pg_replication_slot_advance, unanswered/,
};

/** The number of repetitions of some statements depends on how the stream is cut into chunks, so the last ones may be missing. */
const REPEATED = / #\d+, /;

/**
 * Stops one run at one point, applies the fault, and makes the next run. @returns what was wrong; null if the run had no such
 * point
 */
async function trial(
  servers: CrashServers,
  backlog: Backlog,
  point: string,
  fault: Fault,
): Promise<string[] | null> {
  const wrong: string[] = [];
  const complain = (what: string): void => {
    wrong.push(what);
  };
  const fork = await backlog.fork();
  try {
    if (fault.prepare !== undefined) await onDatabase(fork.storeUrl, fault.prepare);
    const run = await runUntil(fork, point);
    if (!run.stopped) {
      const end = await run.ended;
      if (end.code === 0 && REPEATED.test(point)) return null;
      return [`the run ended before it: ${JSON.stringify(end)}`];
    }
    await requireSlotBehindStore(fork, complain);
    await fault.strike({ servers, fork, run, complain });
    judgeEnd(await run.ended, complain);
    await requireSlotBehindStore(fork, complain);
    await runToEnd(fork);
    const dump = await fork.dump();
    const differing = dump.filter((line, index) => line !== backlog.undisturbed[index]);
    if (differing.length > 0) complain(`the store differs: ${differing.join('; ')}`);
  } catch (error) {
    complain(String(error));
  } finally {
    await fork.drop();
  }
  return wrong;
}

/** Whether the run was killed, succeeded, or failed with one of our codes; a stack trace or an unexpected error is wrong. */
function judgeEnd(end: EndedRun, complain: (what: string) => void): void {
  if (end.signal === 'SIGKILL' || end.code === 0) return;
  if (end.code !== 1 || /INTERNAL|\n {4}at /.test(end.stdout + end.stderr)) {
    complain(`the run ended with ${end.code ?? end.signal}: ${end.stdout}${end.stderr}`);
  }
}

async function requireSlotBehindStore(fork: Fork, complain: (what: string) => void): Promise<void> {
  const slot: Lsn = parseLsn(await slotPosition(fork)); // read first: the store can only get further
  const applied = parseLsn(await appliedPosition(fork));
  if (slot > applied) complain('the slot stands beyond what the store has');
}

/** In the short form the first and the last repetition of a statement stand for all, because they are alike. */
function distinct(all: readonly string[]): string[] {
  const points = all.filter((point) => !/: SET\b/.test(point));
  if (FULL) return points;
  return points.filter(
    (point, index) =>
      points.findIndex((other) => unnumbered(other) === unnumbered(point)) === index ||
      points.findLastIndex((other) => unnumbered(other) === unnumbered(point)) === index,
  );
}

/** The part of its name that all repetitions of a statement share. */
const unnumbered = (point: string): string => point.replace(/ #\d+/, '');

const cell = (point: string, fault: Fault): string => `${fault.name} at ${point}`;

function table(plugin: Plugin, points: readonly string[], cells: ReadonlyMap<string, string>): string {
  const rows = points.map((point) => [
    point,
    ...FAULTS.map((fault) => cells.get(cell(point, fault)) ?? TRIED.cannot),
  ]);
  const drawn = plainTable([plugin, ...FAULTS.map((fault) => fault.name)], rows, {
    colors: createColors(false),
    width: 200,
  });
  return `${drawn}\n${TRIED.right} the store was right, ${TRIED.wrong} wrong, ${TRIED.left} not tried in the short form, ${TRIED.missed}: the run had no such repetition this time\n`;
}
