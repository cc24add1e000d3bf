/**
 * JSON as text. Values keep the text that they were written with: no function parses them into numbers or objects. Positions are
 * offsets into the text. The functions throw RangeError where the text is not JSON.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * The JSON string of a text, with the escapes of PostgreSQL's to_json(text): short forms for \b \f \n \r \t, `\u00xx`
 * in lower case for other control characters, everything else raw (also U+007F and U+2028). JSON.stringify differs
 * only for lone surrogates, which text decoded from UTF-8 does not hold.
 */
export function quoteJson(text: string): string {
  return JSON.stringify(text);
}

/** The text of a JSON string, given with its quotes. */
export function unquoteJson(token: string): string {
  let from = 1;
  let backslash = token.indexOf('\\', 1);
  const end = token.length - 1;
  if (backslash === -1) return token.slice(1, end);
  let text = '';
  while (backslash !== -1 && backslash < end) {
    const letter = token.charAt(backslash + 1);
    const simple = SIMPLE_ESCAPES[letter];
    const next = backslash + (simple === undefined ? 6 : 2);
    if ((simple === undefined && letter !== 'u') || next > end)
      throw new RangeError('bad escape in a JSON string');
    text += token.slice(from, backslash) + (simple ?? unicodeEscape(token.slice(backslash + 2, next)));
    from = next;
    backslash = token.indexOf('\\', next);
  }
  return text + token.slice(from, end);
}

/** Position after the closing quote of the JSON string that opens at `start`. */
export function jsonStringEnd(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  while (quote !== -1 && text.charCodeAt(quote - 1) === BACKSLASH && isEscaped(text, quote, start)) {
    quote = text.indexOf('"', quote + 1);
  }
  if (quote === -1) throw new RangeError('a JSON string has no end');
  return quote + 1;
}

/** Position after the JSON value that starts at `start` (compact JSON: no white space between tokens). */
export function jsonValueEnd(text: string, start: number): number {
  const first = text.charAt(start);
  if (first === '"') return jsonStringEnd(text, start);
  let at = start;
  for (let depth = 0; at < text.length; ) {
    const char = text.charAt(at);
    if (char === '"') {
      at = jsonStringEnd(text, at);
      continue;
    }
    if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
      if (depth < 0) break;
    } else if (char === ',' && depth === 0) break;
    at += 1;
  }
  if (at === start || first === '{' || first === '[')
    throw new RangeError('a JSON value is missing or has no end');
  return at;
}

/** Deeper nesting is refused. PostgreSQL accepts much more before its stack is full. */
const MAX_DEPTH = 500;

/** Whether PostgreSQL's type json accepts the text. It checks the syntax only and converts no values. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
  } catch {
    return false;
  }
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '"') at = jsonStringEnd(text, at) - 1;
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
    if (depth > MAX_DEPTH) return false;
  }
  return true;
}

/**
 * Names (unquoted) and values (as JSON text) of the members of the JSON object that starts at `start`; `end` is the
 * position after it. If a name is repeated, the last value counts. The object itself is compact, but white space around a value
 * belongs to the value: a `json` column keeps the white space at the start and end of its text.
 */
export function jsonMembers(text: string, start: number): { members: Map<string, string>; end: number } {
  const members = new Map<string, string>();
  if (text.charAt(start) !== '{') throw new RangeError('a JSON object is missing');
  let at = start + 1;
  if (text.charAt(at) === '}') return { members, end: at + 1 };
  for (;;) {
    if (text.charCodeAt(at) !== QUOTE) throw new RangeError('a name is missing in a JSON object');
    const nameEnd = jsonStringEnd(text, at);
    if (text.charAt(nameEnd) !== ':') throw new RangeError('a colon is missing in a JSON object');
    const valueEnd = skipSpace(text, jsonValueEnd(text, nameEnd + 1));
    members.set(unquoteJson(text.slice(at, nameEnd)), text.slice(nameEnd + 1, valueEnd));
    const separator = text.charAt(valueEnd);
    if (separator === '}') return { members, end: valueEnd + 1 };
    if (separator !== ',') throw new RangeError('a comma is missing in a JSON object');
    at = valueEnd + 1;
  }
}

/** The same JSON with every number as a string of its digits, for readers whose numbers would lose digits. */
export function numbersAsText(text: string): string {
  let [result, from, at] = ['', 0, 0];
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = jsonStringEnd(text, at);
    } else if (char === MINUS || isDigit(char)) {
      const start = at;
      while (at < text.length && /[-+.\deE]/.test(text.charAt(at))) at += 1;
      result += `${text.slice(from, start)}"${text.slice(start, at)}"`;
      from = at;
    } else {
      at += 1;
    }
  }
  return result + text.slice(from);
}

function isDigit(char: number): boolean {
  return char >= 0x30 && char <= 0x39;
}

/** Position of the first character that is not JSON white space. */
function skipSpace(text: string, start: number): number {
  let at = start;
  while (SPACE.has(text.charCodeAt(at))) at += 1;
  return at;
}

/** A character is escaped when an odd number of backslashes stands before it. */
function isEscaped(text: string, at: number, start: number): boolean {
  let backslashes = 0;
  while (at - 1 - backslashes > start && text.charCodeAt(at - 1 - backslashes) === BACKSLASH)
    backslashes += 1;
  return backslashes % 2 === 1;
}

function unicodeEscape(digits: string): string {
  if (!/^[0-9A-Fa-f]{4}$/.test(digits)) throw new RangeError('bad escape in a JSON string');
  return String.fromCharCode(Number.parseInt(digits, 16));
}
