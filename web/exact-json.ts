/** JSON whose numbers keep every digit: 9007199254740993 and 1.10 stay as they are. */

/** A number as it was written. */
export class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
  toJSON(): unknown {
    return rawJson?.(this.text) ?? this.text;
  }
}

export type Json = null | boolean | string | Digits | readonly Json[] | { readonly [name: string]: Json };

/** ECMAScript 2026, "JSON.parse source text access". */
const rawJson = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON?.bind(JSON);

/** Whether this browser tells the source text of numbers. If not, ask the API for `numbers=text`. */
export const KEEPS_DIGITS = parseExact('10.0') instanceof Digits && `${parseExact('1.10')}` === '1.10';

export function parseExact(text: string): Json {
  const revive = (_name: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' ? new Digits(context?.source ?? String(value)) : value;
  return JSON.parse(text, revive) as Json;
}
