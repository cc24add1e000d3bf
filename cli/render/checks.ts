/** Checks for people: what is wrong on lines that fit the terminal, what to do about it on one that can be pasted. */
import type { CheckDocument } from '../../documents/checks.ts';
import type { Output } from '../output.ts';
import { withLocalTimes } from './local-time.ts';
import { printable } from './printable.ts';
import { wrap } from './wrap.ts';

/**
 * Checks that one remedy mends, and the remedy.
 * @param margin what stands before the text of each, with room for the mark
 */
export function checkLines(
  checks: readonly CheckDocument[],
  remedy: string | null,
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
