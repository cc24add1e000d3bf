/**
 * What a follower can and cannot know of tables that change in ways that the log does not contain. The unknown interval reaches
 * from its last run before such a change to the end of the run that ended the repair. If runs and changes overlap, it is not
 * known which run first saw a change. Then each end of the interval has bounds, and between the bounds an answer may be known,
 * if it is right, or unknown. If no run of a follower overlaps with a change, the bounds are equal.
 */
import { parseLsn } from '../../../core/types/lsn.ts';
import type { Plugin } from '../../../core/types/plugin.ts';
import type { OracleRun } from './run-workload.ts';
import { COLUMNS_PLACE, FILES_PLACE, SILENT_PLACE } from './schema-tables.ts';

/** A run, or the runs of a rebaseline: positions of the source before and after, horizons of the follower before and after. */
export interface Span {
  readonly begun: bigint;
  readonly ended: bigint;
  readonly horizonBefore: bigint;
  readonly horizon: bigint;
  readonly caughtUp: boolean;
  /** If the span has several runs, it is not known which of them ended a gap, except for the table that was to be repaired. */
  readonly several: boolean;
  readonly repaired: number | null;
  /** Places of the tables that have no gap afterwards. */
  readonly whole: ReadonlySet<number>;
}

/** A change that the log does not contain, between two positions. */
interface Event {
  readonly kind: 'silent' | 'attached' | 'named' | 'described' | 'files' | 'columns' | 'renamed' | 'replaced';
  readonly before: bigint;
  readonly after: bigint;
}

/** An interval whose two ends are known. */
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
 * The changes of the table's columns. replaced: a column was replaced by another one of its name; renamed: a name now belongs
 * to another column than at its last use; columns: any other change.
 */
function columnEventsOf(run: OracleRun, place: number): Event[] {
  const id = `${COLUMNS_PLACE} ${place}`;
  let before = columnsOf(run.initial.get(id));
  const ever = new Map(before);
  return run.commits.flatMap((commit): Event[] => {
    const text = commit.changes.get(id);
    if (text === undefined || text === null) return []; // renamed away, with its columns unchanged
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
 * The changes of the table at this place, from the notes of the transactions themselves: silent changes, partitions that came
 * with rows, and changes that alone have no effect but look like a silent change together with a new file of the table.
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

/** The events that matter with this plugin: pgoutput does not depend on names; with wal2json a change of a name hides changes. */
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

/**
 * Whether runs have seen the table with the replaced column and with its successor, and no other change of columns between
 * them.
 */
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

/** The run after which the gap has certainly ended: it began after the change, reached the end of WAL, and left no gap. */
function latestEnd(spans: readonly Span[], place: number, event: Event): Span | null {
  return spans.find((span) => span.begun >= event.after && span.caughtUp && span.whole.has(place)) ?? null;
}

/** The position before which the gap has certainly not ended. */
function earliestEnd(
  spans: readonly Span[],
  place: number,
  event: Event,
  findings: readonly Event[],
): bigint {
  for (const span of spans) {
    if (span.ended <= event.after) continue;
    // perhaps one gap ended during this span, and another began
    const mixed = findings.some((other) => other !== event && overlaps(span, other));
    if (span.several && mixed) return span.horizonBefore;
    if (!span.whole.has(place)) continue;
    if (span.several && overlaps(span, event)) return span.horizonBefore;
    // The table has no gap after a run that overlaps with the change, so that run has not seen the change. The same for a new
    // partition if the run did not reach the end of WAL.
    if (overlaps(span, event) || (event.kind === 'attached' && !span.caughtUp)) continue;
    return span.several && span.repaired !== place ? span.horizonBefore : span.horizon;
  }
  return NEVER;
}

/**
 * Whether the table got another file (also by a TRUNCATE of the same transaction) between the runs that compare the catalog
 * before and after the change.
 */
function isRefiled(events: readonly Event[], last: Span, end: Span | null): boolean {
  return events.some(
    (other) => other.kind === 'files' && other.after > last.begun && other.before < (end?.ended ?? NEVER),
  );
}

function overlaps(span: Span, event: Event): boolean {
  return span.begun < event.after && span.ended > event.before;
}
