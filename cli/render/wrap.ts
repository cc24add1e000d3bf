/** Lines that fit the terminal: broken at spaces where possible, measured without their colours. */
import { stripVTControlCharacters } from 'node:util';

/** `indent` goes before every line but the first. */
export function wrap(line: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let current = '';
  for (const part of line.split(/(?<= )(?=\S)/)) {
    let rest = part;
    if (current.trim() !== '' && visible(current) + visible(rest.trimEnd()) > width) {
      lines.push(current.trimEnd());
      current = indent;
    }
    while (visible(current) + visible(rest.trimEnd()) > width) {
      const room = width - visible(current);
      lines.push(current + rest.slice(0, room)); // one word longer than a line: a key, a name
      [current, rest] = [indent, rest.slice(room)];
    }
    current += rest;
  }
  return [...lines, current.trimEnd()].join('\n');
}

function visible(text: string): number {
  return stripVTControlCharacters(text).length;
}
