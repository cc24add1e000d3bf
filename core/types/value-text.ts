/**
 * The reverse of render-text.ts: turns the JSON text of a stored value into the text that PostgreSQL printed, so that COPY can
 * read it. For every value `valueText(kind, renderText(kind, text))` equals `text`. Nothing is parsed into numbers or objects.
 */
import { jsonStringEnd, jsonValueEnd, unquoteJson } from './json-text.ts';
import type { TypeKind } from './pg-types.ts';

/** Elements of an array whose type is not in the catalog: their text as it is stored. */
const PLAIN: TypeKind = { name: 'text', rendering: 'text', element: null, delimiter: ',' };

/** The text of a value that is not NULL. @param json the member of the row, including white space around it */
export function valueText(kind: TypeKind, json: string): string {
  if (kind.rendering === 'json') return json;
  const token = json.trim();
  switch (token.charAt(0)) {
    case '"':
      return stringText(kind, unquoteJson(token));
    case 't':
      return 't';
    case 'f':
      return 'f';
    case '[':
      return arrayText(kind, kind.element ?? PLAIN, token);
    default:
      return token;
  }
}

/** The text of a value that was stored as a JSON string. */
function stringText(kind: TypeKind, text: string): string {
  if (kind.rendering === 'timestamp') return text.replace('T', ' ');
  if (kind.rendering === 'timestamptz') return withoutZoneMinutes(text).replace('T', ' ');
  return text;
}

/** Writes the offset `+00:00`, at the end or before the era, as `+00`: the text form of our sessions (TimeZone UTC). */
function withoutZoneMinutes(text: string): string {
  return text.replace(/([+-]\d\d):00(?= BC$|$)/, '$1');
}

/** The form of array_out(): all lower bounds are 1, because other arrays are stored as text. */
function arrayText(kind: TypeKind, element: TypeKind, json: string): string {
  let text = '';
  for (let at = 0; at < json.length; ) {
    const char = json.charAt(at);
    if (char === '[') text += '{';
    else if (char === ']') text += '}';
    else if (char === ',') text += kind.delimiter;
    else if (char.trim() !== '') {
      const end = char === '"' ? jsonStringEnd(json, at) : jsonValueEnd(json, at);
      const item = json.slice(at, end);
      text += item === 'null' ? 'NULL' : quotedElement(valueText(element, item), kind.delimiter);
      at = end;
      continue;
    }
    at += 1;
  }
  return text;
}

const PLAIN_ELEMENT = /^[^\s"\\{},;]+$/;

/** Quotes where array_out() does: empty text, the word NULL, and characters that have a meaning in arrays. */
function quotedElement(text: string, delimiter: string): string {
  if (PLAIN_ELEMENT.test(text) && text.toUpperCase() !== 'NULL') return text;
  const special = new RegExp(`[ \\t\\n\\v\\f\\r"\\\\{}${delimiter}]`);
  if (text !== '' && text.toUpperCase() !== 'NULL' && !special.test(text)) return text;
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
