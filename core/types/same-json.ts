/** Whether two JSON texts are the same but for white space and the way in which strings are written. Numbers keep their digits. */
import { jsonStringEnd, unquoteJson } from './json-text.ts';

const TOKEN_END = new Set(['{', '}', '[', ']', ',', ':', '"', ' ', '\t', '\n', '\r', '']);
const SPACE = new Set([' ', '\t', '\n', '\r']);

/** Throws RangeError where a string has no end. */
export function isSameJson(one: string, other: string): boolean {
  let [here, there] = [0, 0];
  for (;;) {
    const [left, right] = [tokenAt(one, here), tokenAt(other, there)];
    if (left.text !== right.text || left.isString !== right.isString) return false;
    if (left.end >= one.length && right.end >= other.length) return left.text === right.text;
    [here, there] = [left.end, right.end];
  }
}

/** The token at or after a position; an empty text: there is none. */
function tokenAt(json: string, start: number): { text: string; isString: boolean; end: number } {
  let from = start;
  while (SPACE.has(json.charAt(from))) from++;
  if (json.charAt(from) === '"') {
    const end = jsonStringEnd(json, from);
    return { text: unquoteJson(json.slice(from, end)), isString: true, end };
  }
  let end = from + 1;
  if (!TOKEN_END.has(json.charAt(from))) while (!TOKEN_END.has(json.charAt(end))) end++;
  return { text: json.slice(from, end), isString: false, end };
}
