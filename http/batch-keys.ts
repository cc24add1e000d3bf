/**
 * Reads the keys in the body of a batch, `{"keys": […]}`. A key is a JSON object that names every key column, or the bare value of
 * a one-column key. Numbers keep all digits: none becomes a JavaScript number.
 */
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { KeyInput } from '../core/query/key-input.ts';
import { check } from './request-input.ts';
import { BatchBody } from './schemas.ts';

/** JSON of ECMAScript with access to the text of numbers; the types of TypeScript lack it (MDN, "JSON.rawJSON()"). */
const EXACT = JSON as unknown as {
  parse(text: string, reviver: (name: string, value: unknown, at: { source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

/** Throws BAD_FLAGS if the body is not a batch. It does not check whether a key fits the table: the store does. */
export function readBatchKeys(body: ArrayBuffer): KeyInput[] {
  return check(BatchBody, parse(body)).keys.map((key) => JSON.stringify(key) as KeyInput);
}

function parse(body: ArrayBuffer): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    return EXACT.parse(text, (_, value, { source }) =>
      typeof value === 'number' ? EXACT.rawJSON(source!) : value,
    );
  } catch (cause) {
    throw new TimewarpError('BAD_FLAGS', 'The body is not JSON in UTF-8.', {
      cause,
      remedy: 'Send {"keys": [...]}; see /openapi.json.',
    });
  }
}
