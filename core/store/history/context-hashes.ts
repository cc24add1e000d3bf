/**
 * Hashes of the values in a context. An index on them finds the contexts with a value. Other values may have the same hash, so
 * context_matches() still compares. The function context_hashes() of the store makes the same hashes of the values in a
 * question.
 */
import { unquoteJson } from '../../types/json-text.ts';

/** Stored instead of hashes: every question compares such a context itself. */
const NOT_HASHED: readonly number[] = [0];
/** A context with more values is not hashed, because its hashes would fill the index. */
const MAX_VALUES = 64;
/** Strings (with the colon after it if the string is a key), and other values. */
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
