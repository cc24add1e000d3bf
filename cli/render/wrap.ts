/** Breaks lines so that they fit the terminal, at spaces where possible. Colours count no columns. */
import { breakText, firstColumns, visibleWidth } from './width.ts';

/** @param indent text before every line except the first */
export function wrap(line: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let current = '';
  let columns = 0;
  for (const part of line.split(/(?<= )(?=\S)/)) {
    const wide = visibleWidth(part.trimEnd());
    if (current.trim() !== '' && columns + wide > width) {
      lines.push(current.trimEnd());
      [current, columns] = [indent, visibleWidth(indent)];
    }
    if (columns + wide > width) {
      // one word longer than a line: a key, a name
      const first = firstColumns(part, Math.max(1, width - columns));
      const rest = breakText(part.slice(first.length), Math.max(1, width - indent.length));
      const last = rest.pop() ?? '';
      lines.push(current + first, ...rest.map((piece) => indent + piece));
      current = indent + last;
    } else {
      current += part;
    }
    columns = visibleWidth(current);
  }
  return [...lines, current.trimEnd()].join('\n');
}
