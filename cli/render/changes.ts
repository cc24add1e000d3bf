/** A diff for people, on lines that fit the terminal. An update shows only the columns that changed, old → new. */
import type { DiffChange, DiffOp, DiffPage } from '../../core/query/diff.ts';
import { parseCommitTime } from '../../core/types/commit-time.ts';
import { jsonMembers } from '../../core/types/json-text.ts';
import type { Output } from '../output.ts';
import { localTime, withLocalTimes } from './local-time.ts';
import { printable } from './printable.ts';
import { breakText, padTo, shorten, visibleWidth } from './width.ts';
import { wrap } from './wrap.ts';

const OPERATIONS: Readonly<Record<DiffOp, string>> = {
  I: 'inserted',
  U: 'updated',
  D: 'deleted',
  S: 'found when the table was read',
  T: 'removed by TRUNCATE',
};

const INDENT = '    ';

export interface DiffView {
  /** The table, and perhaps the key. */
  readonly title: string;
  /** Shows contexts in full instead of cutting them to one line. */
  readonly who?: boolean;
  /** Shows values in full, on as many lines as they need. */
  readonly full?: boolean;
}

export function renderDiff(page: DiffPage, out: Output, view: DiffView): string {
  const fitted = (line: string): string => wrap(line, out.width, '  ');
  const lines = [
    fitted(`${printable(view.title)} from ${page.from ?? 'the start'} to ${page.to ?? 'the horizon'}`),
  ];
  if (page.changes.length === 0) lines.push('', 'No changes.');
  for (const { change, unknown } of inTime(page.changes, parseIntervals(page.unknownText))) {
    if (change !== undefined) lines.push('', ...renderChange(change, out, view));
    if (unknown === undefined) continue;
    const { from, to, reason } = unknown;
    const text = `unknown from ${from ?? 'the start'} to ${to ?? 'the end'}: ${reason.replaceAll('_', ' ')}`;
    lines.push('', out.colors.red(fitted(withLocalTimes(text))));
  }
  if (page.horizon !== null) {
    const final = page.final ? 'final' : 'not final';
    const { ts, lsn } = page.horizon;
    const local = localTime(ts);
    lines.push('', out.colors.dim(`known up to ${ts}  (${lsn}); ${final}`));
    if (local !== null) lines.push(out.colors.dim(' '.repeat('known up to '.length) + local));
  }
  return lines.join('\n');
}

function renderChange(change: DiffChange, out: Output, { who = false, full = false }: DiffView): string[] {
  const { colors, width } = out;
  const transaction = change.xid === null ? '' : `, transaction ${change.xid}`;
  const paint = { I: colors.green, S: colors.green, U: colors.yellow, D: colors.red, T: colors.red }[
    change.op
  ];
  const lines = [
    wrap(
      `${change.ts}  ${paint(OPERATIONS[change.op])}  ${colors.dim(`(${change.lsn}${transaction})`)}`,
      width,
      INDENT,
    ),
  ];
  const local = localTime(change.ts);
  if (local !== null) lines.push(colors.dim(local));
  if (change.changedText !== null) {
    const changed = [...jsonMembers(change.changedText, 0).members];
    const left = nameWidth(changed);
    lines.push(
      ...changed.flatMap(([name, sidesText]) => {
        const column = { name, sidesText, left };
        return full ? changedInFull(column, out) : [changedLine(column, out)];
      }),
    );
    if (changed.length === 0) lines.push(`${INDENT}${colors.dim('(no column changed)')}`);
  } else if (change.rowText !== null) {
    const row = [...jsonMembers(change.rowText, 0).members];
    const left = nameWidth(row);
    const room = width - INDENT.length - left - 2;
    lines.push(
      ...row.flatMap(([name, value]) => {
        const shown = full ? breakText(printable(value), room) : [shorten(printable(value), room)];
        return shown.map((line, index) => `${INDENT}${pad(index === 0 ? name : '', left)}  ${line}`);
      }),
    );
  }
  const { incomplete, assumes } = change;
  if (incomplete !== undefined) {
    const names = printable(incomplete.join(', '));
    lines.push(`${INDENT}${colors.dim(shorten(`not known: ${names}`, width - INDENT.length))}`);
  }
  if (assumes !== undefined) lines.push(`${INDENT}${colors.dim(`assumes ${printable(assumes)}`)}`);
  if (change.contextText !== null && who) {
    lines.push(`${INDENT}${colors.cyan('by')}   ${printable(change.contextText)}`);
  } else if (change.contextText !== null) {
    lines.push(
      `${INDENT}${colors.dim(shorten(`context ${printable(change.contextText)}`, width - INDENT.length))}`,
    );
  }
  return lines;
}

interface ChangedColumn {
  readonly name: string;
  /** JSON with the old and the new value. */
  readonly sidesText: string;
  /** The width of the names on the left. */
  readonly left: number;
}

/**
 * `total   12.50 → 0`. If the values do not fit, both are cut, the shorter one last. If their first difference would be cut off,
 * both begin shortly before it.
 */
function changedLine({ name, sidesText, left }: ChangedColumn, { colors, width }: Output): string {
  const { old, now } = bothSides(sidesText);
  const room = width - INDENT.length - left - 2 - ARROW.length;
  const shownFrom = (from: number): [string, string] => {
    const [a, b] = [tail(old, from), tail(now, from)];
    const bWidth = b.length > room ? room : visibleWidth(b);
    const shown = shorten(a, Math.max(Math.floor(room / 2), room - bWidth));
    return [shown, shorten(b, room - visibleWidth(shown))];
  };
  let [shownOld, shownNow] = shownFrom(0);
  const differAt = firstDifference(old, now);
  if (differAt >= Math.min(shownOld.length, shownNow.length) - 1 && differAt > BEFORE_DIFFERENCE)
    [shownOld, shownNow] = shownFrom(differAt - BEFORE_DIFFERENCE);
  return `${INDENT}${pad(name, left)}  ${colors.red(shownOld)}${ARROW}${colors.green(shownNow)}`;
}

/** The whole old value, and below it the whole new one. */
function changedInFull({ name, sidesText, left }: ChangedColumn, { colors, width }: Output): string[] {
  const { old, now } = bothSides(sidesText);
  const room = width - INDENT.length - left - 2;
  const oneLine = `${old}${ARROW}${now}`;
  if (oneLine.length <= room && visibleWidth(oneLine) <= room)
    return [`${INDENT}${pad(name, left)}  ${colors.red(old)}${ARROW}${colors.green(now)}`];
  const lines = [
    ...breakText(old, room).map(colors.red),
    ...breakText(now, room - 2).map((line, index) => `${index === 0 ? '→ ' : '  '}${colors.green(line)}`),
  ];
  return lines.map((line, index) => `${INDENT}${pad(index === 0 ? name : '', left)}  ${line}`);
}

const ARROW = ' → ';
/** The number of equal characters that are shown before a difference far inside two texts. */
const BEFORE_DIFFERENCE = 8;

function bothSides(sidesText: string): { readonly old: string; readonly now: string } {
  const sides = jsonMembers(sidesText, 0).members;
  return { old: printable(sides.get('from') ?? '(none)'), now: printable(sides.get('to') ?? '(none)') };
}

function firstDifference(one: string, other: string): number {
  const shorter = Math.min(one.length, other.length);
  let at = 0;
  while (at < shorter && one.charCodeAt(at) === other.charCodeAt(at)) at++;
  return at;
}

/** The text from an index on; it never begins in the middle of a character. */
function tail(text: string, from: number): string {
  if (from === 0) return text;
  const isInside = /[\udc00-\udfff]/.test(text.charAt(from));
  return `…${text.slice(isInside ? from - 1 : from)}`;
}

function nameWidth(members: readonly (readonly [string, string])[]): number {
  return Math.min(24, Math.max(0, ...members.map(([name]) => visibleWidth(printable(name)))));
}

function pad(name: string, width: number): string {
  return padTo(shorten(printable(name), width), width);
}

interface Entry {
  readonly change?: DiffChange;
  readonly unknown?: UnknownInterval;
}

/** Merges changes and intervals by time: an interval comes before the first change at or after its beginning. */
function inTime(changes: readonly DiffChange[], intervals: readonly UnknownInterval[]): Entry[] {
  const left = [...intervals];
  const isDue = (ts: string): boolean => {
    const from = left[0]?.from ?? null;
    return left.length > 0 && (from === null || parseCommitTime(from) <= parseCommitTime(ts));
  };
  const entries: Entry[] = [];
  for (const change of changes) {
    while (isDue(change.ts)) entries.push({ unknown: left.shift()! });
    entries.push({ change });
  }
  return [...entries, ...left.map((unknown) => ({ unknown }))];
}

interface UnknownInterval {
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string;
}

/** Parsing is safe here: the text contains times and reasons, no row values. */
function parseIntervals(text: string): UnknownInterval[] {
  return JSON.parse(text) as UnknownInterval[];
}
