/**
 * Hashes of the values in a context, by which an index finds the contexts that have a value. They only narrow the search: other
 * values may have the same hash, so context_matches() still compares. The function context_hashes() of the store makes the same
 * hashes of the values that a question names.
 */
import { unquoteJson } from '../../types/json-text.ts';

/** Instead of hashes: a question has to look at this context itself. */
const NOT_HASHED: readonly number[] = [0];
/** A context of more values is not hashed: it would fill the index. */
const MAX_VALUES = 64;
/** Strings (with the colon after it, if it is a key), and other values. */
const TOKENS = /"(?:[^"\\]|\\.)*"(\s*:)?|[^\s"{}[\],:]+/g;

const encoder = new TextEncoder();

/** @param context JSON @returns 32-bit numbers, each once */
export function contextHashes(context: string): readonly number[] {
  const hashes = new Set<number>();
  for (const [token, colon] of context.matchAll(TOKENS)) {
    if (colon !== undefined) continue;
    hashes.add(hashText(token.startsWith('"') ? unquoteJson(token) : token));
    if (hashes.size > MAX_VALUES) return NOT_HASHED;
  }
  return [...hashes];
}

/** FNV-1a of the UTF-8 text, as a signed number (draft-eastlake-fnv). */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash | 0;
}
