/**
 * The one place that turns PostgreSQL's text output of a value into the JSON text that is stored. Both decoders and the baseline
 * reader use it, so a value has the same JSON text from each. Numbers, booleans, text, json, dates and their arrays become what
 * to_json() prints. All other values become their text form as a JSON string. json_populate_record() on the source turns either
 * back into the identical value.
 *
 * It expects the output settings of our sessions: TimeZone UTC, DateStyle ISO, bytea_output hex, extra_float_digits 1.
 */
import { arrayTextToJson } from './array-text.ts';
import { quoteJson } from './json-text.ts';
import type { TypeKind } from './pg-types.ts';

const NINE = 0x39;

/** JSON text of a value that is not NULL. */
export function renderText(kind: TypeKind, text: string): string {
  switch (kind.rendering) {
    case 'number':
      // NaN and ±Infinity are not JSON numbers. Only their texts end in a letter.
      return text.charCodeAt(text.length - 1) > NINE ? `"${text}"` : text;
    case 'boolean':
      return text === 't' ? 'true' : 'false';
    case 'json':
      return text;
    case 'timestamp':
      return renderTimestamp(text);
    case 'timestamptz':
      return renderTimestamp(withZoneMinutes(text));
    case 'array':
      return arrayTextToJson(text, kind.delimiter, elementRenderer(kind)) ?? quoteJson(text);
    case 'text':
      return quoteJson(text);
  }
}

/** Whether the text of a json or jsonb value is JSON null, which in a row looks like SQL NULL. */
export function isJsonNull(kind: TypeKind, text: string): boolean {
  return kind.rendering === 'json' && text.length >= 4 && text.trim() === 'null';
}

/** to_json() writes ISO 8601: a T between date and time (none in `infinity`). */
function renderTimestamp(text: string): string {
  const space = text.indexOf(' ');
  return space === -1 ? `"${text}"` : `"${text.slice(0, space)}T${text.slice(space + 1)}"`;
}

/** … and an offset with minutes, where the text form has `+00`. The era stands after it. */
function withZoneMinutes(text: string): string {
  const end = text.endsWith(' BC') ? text.length - 3 : text.length;
  const sign = text.charAt(end - 3);
  return sign === '+' || sign === '-' ? `${text.slice(0, end)}:00${text.slice(end)}` : text;
}

/** The renderer returns null for an element that a JSON array cannot represent. */
function elementRenderer(kind: TypeKind): (text: string) => string | null {
  const element = kind.element!;
  if (element.rendering !== 'json') return (text) => renderText(element, text);
  return (text) => (isJsonElementExact(element, text) ? text : null);
}

/**
 * Whether json_populate_record() turns this text back into the identical json or jsonb element. It would read a JSON array as a
 * further dimension and JSON null as SQL NULL. For json it keeps neither white space around a value nor the escapes of a string.
 */
function isJsonElementExact(kind: TypeKind, text: string): boolean {
  const first = text.charAt(0);
  if (first === '[' || isJsonNull(kind, text)) return false;
  if (kind.name === 'jsonb') return true;
  return text.trim() === text && !(first === '"' && text.includes('\\')) && !text.includes('\\u0000');
}
