/**
 * Turns the key that a user typed into the text of a JSON value. Numbers keep their digits, because the text is never parsed into a
 * JavaScript number. The store checks whether the key fits the table.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';

/** Text of a JSON object, or of a JSON string for the bare value of a one-column key. */
export type KeyInput = string & { readonly __brand: 'KeyInput' };

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * From the values of `--pk`: `id=1` once per column, or one JSON object, or one bare value without `=`.
 * Throws BAD_KEY.
 */
export function keyFromOptions(options: readonly string[]): KeyInput {
  const [first] = options;
  if (first === undefined) throw badKey('No key was given.');
  if (options.length === 1 && (isJsonObject(first) || !first.includes('='))) return keyFromText(first);
  const members = new Map<string, string>();
  for (const option of options) {
    const at = option.indexOf('=');
    if (at < 1) throw badKey(`Not of the form COLUMN=VALUE: ${option.slice(0, 60)}`);
    const column = option.slice(0, at);
    if (members.has(column)) throw badKey(`The key column ${column} is given twice.`);
    members.set(column, option.slice(at + 1));
  }
  const pairs = [...members].map(([column, value]) => `${jsonString(column)}:${jsonString(value)}`);
  return `{${pairs.join(',')}}` as KeyInput;
}

/** From one text: a JSON object; any other text is the bare value of a one-column key. Throws BAD_KEY. */
export function keyFromText(text: string): KeyInput {
  return (isJsonObject(text) ? text : jsonString(text)) as KeyInput;
}

/** Checks the syntax only: the parsed value is discarded. */
function isJsonObject(text: string): boolean {
  if (!text.trimStart().startsWith('{')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function jsonString(text: string): string {
  if (text.includes('\0') || LONE_SURROGATE.test(text)) throw badKey('A key cannot hold this character.');
  return JSON.stringify(text);
}

function badKey(message: string): TimewarpError {
  return new TimewarpError('BAD_KEY', message);
}
