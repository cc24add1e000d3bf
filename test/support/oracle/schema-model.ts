/**
 * What a follower may and may not know of tables that change without a trace in the log: unknown is exactly the interval
 * from its last run before such a change to the end of the run that ended the repair. Where a run and the change
 * overlapped, either of two runs may be the one before.
 */
import { parseLsn } from '../../../core/types/lsn.ts';
import type { OracleRun } from './run-workload.ts';
import { FILES_PLACE, SILENT_PLACE } from './schema-tables.ts';

/** A run, or runs, of a follower: positions of the source around it, its horizon before and after. */
export interface Span {
  readonly begun: bigint;
  readonly ended: bigint;
  readonly horizonBefore: bigint;
  readonly horizon: bigint;
  readonly caughtUp: boolean;
  /** Of several runs it is not known which of them ended a gap. */
  readonly several: boolean;
  /** Places of the tables that have no gap after it. */
  readonly whole: ReadonlySet<number>;
}

/** A change that the log does not tell of, between two positions. */
interface Event {
  readonly before: bigint;
  readonly after: bigint;
}

export interface TableEvents {
  readonly silent: readonly Event[];
  /** Partitions that came with rows: silent, unless a TRUNCATE empties them before anybody has looked. */
  readonly attached: readonly Event[];
  /** Of no effect by themselves; together with another file of the table they look like a silent change. */
  readonly described: readonly Event[];
  readonly files: readonly Event[];
}

/** Both ends are known. */
interface Interval {
  readonly from: bigint;
  readonly to: bigint;
}

export interface Ignorance {
  readonly must: readonly Interval[];
  readonly may: readonly Interval[];
}

/** What happened to the table at this place, by the notes of the transactions themselves. */
export function eventsOf(run: OracleRun, place: number): TableEvents {
  const found = {
    silent: [] as Event[],
    attached: [] as Event[],
    described: [] as Event[],
    files: [] as Event[],
  };
  for (const { before, after, changes } of run.commits) {
    const event = { before: parseLsn(before) as bigint, after: parseLsn(after) as bigint };
    for (const [id, text] of changes) {
      if (id === `${FILES_PLACE} ${place}`) found.files.push(event);
      if (!id.startsWith(`${SILENT_PLACE} `) || text === null) continue;
      const [at, what] = text.split(' ');
      if (Number.parseInt(at!, 10) === place) found[what as 'silent' | 'attached' | 'described'].push(event);
    }
  }
  return found;
}

export function ignoranceOf(spans: readonly Span[], place: number, events: TableEvents): Ignorance {
  const [must, may]: [Interval[], Interval[]] = [[], []];
  const silent = [...events.silent, ...events.attached];
  for (const event of [...silent, ...events.described]) {
    const { last, overlapped, end } = around(spans, place, event);
    const refiled = events.files.some(
      (file) => file !== event && file.after > last.begun && file.before < (end?.ended ?? NEVER),
    );
    const interval = { from: last.horizon, to: end?.horizon ?? NEVER };
    if (events.described.includes(event)) {
      if (refiled) may.push(interval);
      continue;
    }
    may.push(interval);
    if (events.attached.includes(event) && refiled) continue;
    // runs that may have ended this gap and begun another; once it has ended for sure, later ones concern others
    const others = [...silent, ...events.described].filter((other) => other !== event);
    const unsure = spans.find(
      (span) =>
        span.ended > event.after &&
        span.ended <= (end?.ended ?? NEVER) &&
        (span === end || span.several) &&
        others.some((other) => overlaps(span, other)),
    );
    const until = unsure ?? (end?.several ? end : null);
    must.push({ from: overlapped ? event.after : last.horizon, to: until?.horizonBefore ?? interval.to });
  }
  return { must, may };
}

const NEVER = 1n << 64n;

/** The last run before the event, whether one was on its way during it, and the one after which the table is whole again. */
function around(
  spans: readonly Span[],
  place: number,
  event: Event,
): { last: Span; overlapped: boolean; end: Span | null } {
  const last = spans.findLast((span) => span.ended <= event.before);
  if (last === undefined) throw new Error('no run before the first change');
  const noticed = spans.findIndex(
    (span) =>
      (overlaps(span, event) && !span.whole.has(place)) ||
      (span.begun >= event.after && (span.caughtUp || !span.whole.has(place))),
  );
  const end = noticed < 0 ? null : (spans.slice(noticed).find((span) => span.whole.has(place)) ?? null);
  return { last, overlapped: spans.some((span) => overlaps(span, event)), end };
}

function overlaps(span: Span, event: Event): boolean {
  return span.begun < event.after && span.ended > event.before;
}
