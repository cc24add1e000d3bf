/**
 * What a follower may and may not know of tables that change without a trace in the log: unknown is exactly the interval
 * from its last run before such a change to the end of the run that ended the repair. Where runs and changes overlap, it is
 * not known which of two runs was the first to see a change: then the interval has bounds, and in between either answer
 * will do, if it is right. Of a follower whose runs overlap with no change both bounds are one.
 */
import { parseLsn } from '../../../core/types/lsn.ts';
import type { Plugin } from '../../../core/types/plugin.ts';
import type { OracleRun } from './run-workload.ts';
import { COLUMNS_PLACE, FILES_PLACE, SILENT_PLACE } from './schema-tables.ts';

/** A run, or the runs of a rebaseline: positions of the source around it, horizons of the follower before and after. */
export interface Span {
  readonly begun: bigint;
  readonly ended: bigint;
  readonly horizonBefore: bigint;
  readonly horizon: bigint;
  readonly caughtUp: boolean;
  /** Of several runs it is not known which of them ended a gap, unless it is that of the table that was to be repaired. */
  readonly several: boolean;
  readonly repaired: number | null;
  /** Places of the tables that have no gap after it. */
  readonly whole: ReadonlySet<number>;
}

/** A change that the log does not tell of, between two positions. */
interface Event {
  readonly kind: 'silent' | 'attached' | 'named' | 'described' | 'files' | 'columns' | 'renamed' | 'replaced';
  readonly before: bigint;
  readonly after: bigint;
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

/** Columns by name, from their text in {@link STATE_SQL}. */
export function columnsOf(text: string | null | undefined): Map<string, string> {
  return new Map(
    (text ?? '').split(' ').flatMap((each) => (each === '' ? [] : [each.split(':') as [string, string]])),
  );
}

/**
 * Where the columns of the table are others than before. replaced: in place of a column there is another one of its name;
 * renamed: a name is that of another column than when it was last there; columns: anything else.
 */
function columnEventsOf(run: OracleRun, place: number): Event[] {
  const id = `${COLUMNS_PLACE} ${place}`;
  let before = columnsOf(run.initial.get(id));
  const ever = new Map(before);
  return run.commits.flatMap((commit): Event[] => {
    const text = commit.changes.get(id);
    if (text === undefined || text === null) return []; // renamed away, its columns as they were
    const now = columnsOf(text);
    const differs = (old: ReadonlyMap<string, string>): boolean =>
      [...now].some(([name, number]) => (old.get(name) ?? number) !== number);
    const kind = differs(before) ? 'replaced' : differs(ever) ? 'renamed' : 'columns';
    before = now;
    for (const [name, number] of now) ever.set(name, number);
    return [{ kind, before: parseLsn(commit.before) as bigint, after: parseLsn(commit.after) as bigint }];
  });
}

/**
 * What happened to the table at this place, by the notes of the transactions themselves: silent changes, partitions that
 * came with rows, and what is of no effect by itself, but looks like a silent change together with another file of the table.
 */
export function eventsOf(run: OracleRun, place: number): Event[] {
  const columns = columnEventsOf(run, place);
  const noted = run.commits.flatMap(({ before, after, changes }) => {
    const at = { before: parseLsn(before) as bigint, after: parseLsn(after) as bigint };
    return [...changes].flatMap(([id, text]): Event[] => {
      if (id === `${FILES_PLACE} ${place}`) return [{ kind: 'files', ...at }];
      if (!id.startsWith(`${SILENT_PLACE} `) || text === null) return [];
      const [where, kind] = text.split(' ');
      return Number.parseInt(where!, 10) === place ? [{ kind: kind as Event['kind'], ...at }] : [];
    });
  });
  return [...noted, ...columns];
}

/** Names say nothing through pgoutput, and hide changes through wal2json. */
export function heardThrough(plugin: Plugin, events: readonly Event[]): Event[] {
  return plugin === 'pgoutput'
    ? events.filter(({ kind }) => kind !== 'named')
    : events.map((event) => (event.kind === 'named' ? { ...event, kind: 'silent' } : event));
}

export function ignoranceOf(spans: readonly Span[], place: number, events: readonly Event[]): Ignorance {
  const [must, may]: [Interval[], Interval[]] = [[], []];
  const findings = events.filter(({ kind }) => kind !== 'files' && kind !== 'columns');
  for (const event of findings) {
    const last = spans.findLast((span) => span.ended <= event.before);
    if (last === undefined) throw new Error('no run before the first change');
    const latest = latestEnd(spans, place, event);
    if (event.kind === 'described' && !isRefiled(events, last, latest)) continue;
    may.push({ from: last.horizon, to: latest?.horizon ?? NEVER });
    if (event.kind === 'described' || (isOfColumns(event) && !isSeen(events, event, last, spans))) continue;
    const overlapped = spans.some((span) => overlaps(span, event));
    must.push({
      from: overlapped ? event.after : last.horizon,
      to: earliestEnd(spans, place, event, findings),
    });
  }
  return { must, may };
}

function isOfColumns({ kind }: Event): boolean {
  return kind === 'columns' || kind === 'renamed' || kind === 'replaced';
}

/** Whether runs have seen both the column that was there before and the one of its name, and nothing else beside. */
function isSeen(events: readonly Event[], event: Event, last: Span, spans: readonly Span[]): boolean {
  const next = spans.find((span) => span.begun >= event.after);
  return (
    event.kind === 'replaced' &&
    next !== undefined &&
    !events.some(
      (other) =>
        other !== event && isOfColumns(other) && other.after > last.begun && other.before < next.ended,
    )
  );
}

const NEVER = 1n << 64n;

/** The run after which the gap has ended for certain: it began after the change, saw all, and the table is whole. */
function latestEnd(spans: readonly Span[], place: number, event: Event): Span | null {
  return spans.find((span) => span.begun >= event.after && span.caughtUp && span.whole.has(place)) ?? null;
}

/** The position before which the gap has not ended for certain. */
function earliestEnd(
  spans: readonly Span[],
  place: number,
  event: Event,
  findings: readonly Event[],
): bigint {
  for (const span of spans) {
    if (span.ended <= event.after) continue;
    // one gap ended in it, perhaps, and another began
    const mixed = findings.some((other) => other !== event && overlaps(span, other));
    if (span.several && mixed) return span.horizonBefore;
    if (!span.whole.has(place)) continue;
    if (span.several && overlaps(span, event)) return span.horizonBefore;
    // whole after a run that overlaps with the change: it has not seen it; nor has one of a leaf, before the end of WAL
    if (overlaps(span, event) || (event.kind === 'attached' && !span.caughtUp)) continue;
    return span.several && span.repaired !== place ? span.horizonBefore : span.horizon;
  }
  return NEVER;
}

/** Whether the table got another file, by a TRUNCATE of the same transaction too, between the runs that compare the catalog around the change. */
function isRefiled(events: readonly Event[], last: Span, end: Span | null): boolean {
  return events.some(
    (other) => other.kind === 'files' && other.after > last.begun && other.before < (end?.ended ?? NEVER),
  );
}

function overlaps(span: Span, event: Event): boolean {
  return span.begun < event.after && span.ended > event.before;
}
