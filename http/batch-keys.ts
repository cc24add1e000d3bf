/**
 * Reads the keys in the body of a batch, `{"keys": […]}`. A key is a JSON object that names every key column, or the bare value of
 * a one-column key. Numbers keep all digits: none becomes a JavaScript number.
 */
import type { KeyInput } from '../core/query/key-input.ts';
import { readExactJson } from './exact-body.ts';
import { check } from './request-input.ts';
import { BatchBody } from './schemas.ts';

/** Throws BAD_FLAGS if the body is not a batch. It does not check whether a key fits the table: the store does. */
export function readBatchKeys(body: ArrayBuffer): KeyInput[] {
  return check(BatchBody, readExactJson(body, 'keys')).keys.map((key) => JSON.stringify(key) as KeyInput);
}
