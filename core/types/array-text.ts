/** Turns arrays in PostgreSQL's text form (manual, "Array Input and Output Syntax") into JSON arrays, nested by dimension. */

const BACKSLASH = '\\';

/**
 * JSON text of an array; `render` makes the text of each element. Null when a JSON array cannot represent it: a lower bound is
 * not 1 (the text then begins with the bounds), or `render` returns null for an element. Throws RangeError if the text is not an
 * array.
 */
export function arrayTextToJson(
  text: string,
  delimiter: string,
  render: (element: string) => string | null,
): string | null {
  if (text.charAt(0) === '[') return null;
  if (text.charAt(0) !== '{') throw new RangeError('an array begins with a brace');
  let json = '';
  let at = 0;
  let depth = 0;
  do {
    const char = text.charAt(at);
    if (char === '{') {
      json += '[';
      depth += 1;
      at += 1;
    } else if (char === '}') {
      json += ']';
      depth -= 1;
      at += 1;
    } else if (char === delimiter) {
      json += ',';
      at += 1;
    } else if (char === '') {
      throw new RangeError('an array has no end');
    } else {
      const end = char === '"' ? quotedEnd(text, at) : plainEnd(text, at, delimiter);
      const raw = text.slice(at, end);
      const element = raw === 'NULL' ? 'null' : render(char === '"' ? unescapeQuoted(raw) : raw);
      if (element === null) return null;
      json += element;
      at = end;
    }
  } while (depth > 0);
  if (at !== text.length) throw new RangeError('text after the end of an array');
  return json;
}

function quotedEnd(text: string, start: number): number {
  let at = start + 1;
  while (text.charAt(at) !== '"') {
    at += text.charAt(at) === BACKSLASH ? 2 : 1;
    if (at >= text.length) throw new RangeError('an array element has no end');
  }
  return at + 1;
}

function plainEnd(text: string, start: number, delimiter: string): number {
  let at = start;
  while (at < text.length && text.charAt(at) !== delimiter && text.charAt(at) !== '}') at += 1;
  return at;
}

function unescapeQuoted(raw: string): string {
  const inner = raw.slice(1, -1);
  return inner.includes(BACKSLASH) ? inner.replace(/\\([\s\S])/g, '$1') : inner;
}
