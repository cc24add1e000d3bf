/** Checks for people: messages on lines that fit the terminal, the remedy on one line that can be pasted. */
import type { CheckDocument } from '../../documents/checks.ts';
import type { Output } from '../output.ts';
import { withLocalTimes } from './local-time.ts';
import { printable } from './printable.ts';
import { wrap } from './wrap.ts';

/** Checks with the same remedy; null for checks that need none. */
export interface ChecksOfOneRemedy {
  readonly checks: readonly CheckDocument[];
  readonly remedy: string | null;
}

/** @param margin the text before each message (`left`), and the width of it together with the mark */
export function checkLines(
  { checks, remedy }: ChecksOfOneRemedy,
  out: Output,
  margin: { readonly left: string; readonly width: number },
): string[] {
  const { colors, width } = out;
  const indent = ' '.repeat(margin.width);
  const marks = { fail: colors.red('FAIL'), warn: colors.yellow('WARN'), ok: colors.green('ok') };
  const lines = checks.map(({ status, message, code }) => {
    const gap = ' '.repeat(Math.max(1, margin.width - margin.left.length - status.length));
    const text = `${withLocalTimes(printable(message))} ${colors.dim(`[${code}]`)}`;
    return wrap(`${margin.left}${marks[status]}${gap}${text}`, width, indent);
  });
  return remedy === null ? lines : [...lines, indent + printable(remedy)];
}
