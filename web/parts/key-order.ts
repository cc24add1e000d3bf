/** The order of rows by their key: numbers by their value, everything else by its text. */
import type { Row } from '../documents.ts';
import { Digits, type Json } from '../exact-json.ts';
import { plainValue } from './value.tsx';

/** @param keyColumns in the order of the key */
export function byKey(keyColumns: readonly string[]): (one: Row, other: Row) => number {
  return (one, other) => {
    for (const name of keyColumns) {
      const order = compare(one[name] ?? null, other[name] ?? null);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compare(one: Json, other: Json): number {
  const [a, b] =
    one instanceof Digits && other instanceof Digits
      ? [numeric(one.text), numeric(other.text)]
      : [plainValue(one), plainValue(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whole numbers keep every digit. */
const numeric = (text: string): number | bigint => (/^-?\d+$/.test(text) ? BigInt(text) : Number(text));

/** Whether it is a number without a fraction, as the keys are that the API sorts by look-ups. */
export const isWholeNumber = (value: Json): boolean => value instanceof Digits && /^-?\d+$/.test(value.text);
