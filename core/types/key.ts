/**
 * The canonical text of a key: equal keys have one text, so a lookup by text finds them. SQL in the store computes the
 * same from what a user types (`value::type::text` under TimeZone UTC, DateStyle ISO, bytea_output hex,
 * extra_float_digits 1, then the rule below). A key is a compact JSON array of strings: `["42"]`, `["eu","7"]`.
 */
import type { ChangeTexts } from './change-texts.ts';
import { jsonStringEnd, quoteJson, unquoteJson } from './json-text.ts';
import type { TypeKind } from './pg-types.ts';

/** How PostgreSQL's text output becomes the canonical text; `same`: unchanged, because the type prints equal values equally. */
type KeyRule =
  | 'same'
  | 'trim-scale'
  | 'unsigned-zero'
  | 'true-false'
  | 'trim-spaces'
  | 'lower'
  | 'lower-ascii'
  | 'lower-whole';

/** The kinds a key column may have (stored in `tracked_relations.pk_kinds`), each with its rule. */
const KEY_RULES: Readonly<Record<string, KeyRule>> = {
  int2: 'same',
  int4: 'same',
  int8: 'same',
  // 1.10 = 1.1: trailing zeros after the point go, as trim_scale() does; NaN and Infinity stay
  numeric: 'trim-scale',
  // -0 = 0
  float4: 'unsigned-zero',
  float8: 'unsigned-zero',
  // t → true, f → false, as a cast of boolean to text prints it
  bool: 'true-false',
  text: 'same',
  varchar: 'same',
  name: 'same',
  char: 'same',
  // trailing spaces do not matter for equality; a cast to text drops them
  bpchar: 'trim-spaces',
  // letter by letter, see lowerCase()
  citext: 'lower',
  // if the locale of the source is C: only A to Z
  citext_ascii: 'lower-ascii',
  // if it is that of ICU: the whole text, whose last sigma becomes ς
  citext_whole: 'lower-whole',
  // hexadecimal, with \x
  bytea: 'same',
  uuid: 'same',
  date: 'same',
  time: 'same',
  timetz: 'same',
  // 2026-01-01 00:00:00
  timestamp: 'same',
  // 2026-01-01 00:00:00+00
  timestamptz: 'same',
  inet: 'same',
  cidr: 'same',
  macaddr: 'same',
  macaddr8: 'same',
  bit: 'same',
  varbit: 'same',
  oid: 'same',
  pg_lsn: 'same',
  xid8: 'same',
  // as the source's lc_monetary prints it
  money: 'same',
  // the label
  enum: 'same',
};

const REFUSALS: Readonly<Record<string, string>> = {
  interval: 'equal intervals can have different texts (1 day, 24:00:00)',
  array: 'equal arrays can have different texts (numeric elements)',
  json: 'equality of json is not defined by its text',
  jsonb: 'equal jsonb values can have different texts (1.0, 1.00)',
  range: 'equal ranges can have different texts (numeric bounds)',
  composite: 'equal rows can have different texts (numeric fields)',
  citext_local: 'the locale of the database has rules of its own for lower case (I and ı in Turkish)',
};

/** Why a column of this kind cannot be part of a key; null when it can. */
export function keyTypeRefusal(kind: TypeKind): string | null {
  if (Object.hasOwn(KEY_RULES, kind.name)) return null;
  return (
    REFUSALS[kind.name] ??
    `pgtimewarp does not know whether equal values of this type (${kind.name}) have one text`
  );
}

/** Whether the canonical text is the text output itself. */
export function isKeyTextVerbatim(kind: TypeKind): boolean {
  return KEY_RULES[kind.name] === 'same';
}

/** Canonical text of one key column, from PostgreSQL's text output. */
export function canonicalKeyValue(kind: TypeKind, text: string): string {
  switch (KEY_RULES[kind.name]) {
    case 'trim-scale':
      return trimScale(text);
    case 'unsigned-zero':
      return text === '-0' ? '0' : text;
    case 'true-false':
      return text === 't' || text === 'true' ? 'true' : 'false';
    case 'trim-spaces':
      return text.replace(/ +$/, '');
    case 'lower':
      return lowerCase(text);
    case 'lower-whole':
      return text.toLowerCase();
    case 'lower-ascii':
      return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    default:
      return text;
  }
}

/** Canonical key of canonical column texts, in key order. */
export function canonicalKey(values: readonly string[]): string {
  return joinKey(values.map(quoteJson));
}

/**
 * The longest key that an index of the store can hold: a third of a page (PostgreSQL manual, "B-Tree Implementation"), less the
 * other columns. A longer key may fit if it compresses well, but the program must not depend on that.
 */
export const MAX_KEY_BYTES = 2_600;

/** Why a canonical key cannot be stored; null when it can. */
export function keyLengthRefusal(key: string): string | null {
  if (key.length * 3 <= MAX_KEY_BYTES) return null; // a code unit of UTF-16 has at most three bytes in UTF-8
  return lengthRefusal(new TextEncoder().encode(key).length);
}

/** As {@link keyLengthRefusal}. */
export function keyRefusal(texts: ChangeTexts): string | null {
  return lengthRefusal(texts.keyByteCount);
}

function lengthRefusal(bytes: number): string | null {
  return bytes <= MAX_KEY_BYTES ? null : `a key has ${bytes} bytes, the store can hold ${MAX_KEY_BYTES}`;
}

/** As {@link canonicalKey}, for texts that already are JSON strings. */
export function joinKey(quoted: readonly string[]): string {
  return quoted.length === 1 ? `[${quoted[0]}]` : `[${quoted.join(',')}]`;
}

/** The canonical column texts of a canonical key. Throws RangeError if the text is not a key. */
export function keyTexts(key: string): string[] {
  const texts: string[] = [];
  let at = 0;
  do {
    const end = jsonStringEnd(key, at + 1);
    texts.push(unquoteJson(key.slice(at + 1, end)));
    at = end;
  } while (key.charAt(at) === ',');
  if (!key.startsWith('[') || at !== key.length - 1) throw new RangeError('a key is no list of texts');
  return texts;
}

function trimScale(text: string): string {
  if (!text.includes('.')) return text === '-0' ? '0' : text;
  const trimmed = text.replace(/\.?0+$/, '');
  return trimmed === '-0' ? '0' : trimmed;
}

/**
 * Letter by letter, as lower() of a UTF-8 libc collation does: no final sigma, and U+0130 becomes i (toLowerCase() of a
 * whole text depends on the neighbours and may give more letters).
 */
function lowerCase(text: string): string {
  let lower = '';
  for (const letter of text) lower += letter === '\u0130' ? 'i' : letter.toLowerCase();
  return lower;
}
