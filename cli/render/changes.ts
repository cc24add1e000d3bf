/** A diff for people: of an update only what changed, old → new, each change on lines that fit the terminal. */
import type { DiffChange, DiffOp, DiffPage } from '../../core/query/diff.ts';
import { jsonMembers } from '../../core/types/json-text.ts';
import type { Output } from '../output.ts';
import { localTime, withLocalTimes } from './local-time.ts';
import { printable, shorten } from './printable.ts';
import { wrap } from './wrap.ts';

const OPERATIONS: Readonly<Record<DiffOp, string>> = {
  I: 'inserted',
  U: 'updated',
  D: 'deleted',
  S: 'found when the table was read',
  T: 'removed by TRUNCATE',
};

const INDENT = '    ';

/** @param who what a transaction said about itself, in full and not only as far as it fits */
export function renderDiff(title: string, page: DiffPage, out: Output, who = false): string {
  const fitted = (line: string): string => wrap(line, out.width, '  ');
  const lines = [
    fitted(`${printable(title)} from ${page.from ?? 'the start'} to ${page.to ?? 'the horizon'}`),
  ];
  if (page.changes.length === 0) lines.push('', 'No changes.');
  for (const change of page.changes) lines.push('', ...renderChange(change, out, who));
  const unknown = parseIntervals(page.unknownText);
  if (unknown.length > 0) lines.push('');
  for (const { from, to, reason } of unknown) {
    lines.push(
      out.colors.red(
        fitted(
          withLocalTimes(
            `unknown from ${from ?? 'the start'} to ${to ?? 'the end'}: ${reason.replaceAll('_', ' ')}`,
          ),
        ),
      ),
    );
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

function renderChange(change: DiffChange, out: Output, who: boolean): string[] {
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
    lines.push(...changed.map(([name, sides]) => changedLine(name, sides, nameWidth(changed), out)));
    if (changed.length === 0) lines.push(`${INDENT}${colors.dim('(no column changed)')}`);
  } else if (change.rowText !== null) {
    const row = [...jsonMembers(change.rowText, 0).members];
    const left = nameWidth(row);
    const room = width - INDENT.length - left - 2;
    lines.push(
      ...row.map(([name, value]) => `${INDENT}${pad(name, left)}  ${shorten(printable(value), room)}`),
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

/** `total   12.50 → 0`: both sides are cut when they do not fit, the shorter one last. */
function changedLine(name: string, sidesText: string, left: number, { colors, width }: Output): string {
  const sides = jsonMembers(sidesText, 0).members;
  const old = printable(sides.get('from') ?? '(none)');
  const now = printable(sides.get('to') ?? '(none)');
  const room = width - INDENT.length - left - 2 - ' → '.length;
  const half = Math.floor(room / 2);
  const oldRoom = Math.max(half, room - now.length);
  const shownOld = shorten(old, oldRoom);
  return `${INDENT}${pad(name, left)}  ${colors.red(shownOld)} → ${colors.green(shorten(now, room - shownOld.length))}`;
}

function nameWidth(members: readonly (readonly [string, string])[]): number {
  return Math.min(24, Math.max(0, ...members.map(([name]) => printable(name).length)));
}

function pad(name: string, width: number): string {
  return shorten(printable(name), width).padEnd(width);
}

interface UnknownInterval {
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string;
}

/** Times and reasons only, no values of rows. */
function parseIntervals(text: string): UnknownInterval[] {
  return JSON.parse(text) as UnknownInterval[];
}
