/** A text is longer than {@link LONGEST_TEXT_BYTES}. */
export class TextTooLong extends Error {}

/** Longer texts cannot be strings, so nobody could read them back from the store. */
export const LONGEST_TEXT_BYTES = 2 ** 29 - 24;

/** What is thrown about a text beyond the limit (about 512 million characters): made at once, put together, or written as bytes. */
export function isTooLong(error: unknown): boolean {
  return (
    error instanceof TextTooLong ||
    (error as { code?: unknown } | null)?.code === 'ERR_STRING_TOO_LONG' ||
    (error instanceof RangeError && error.message === 'Invalid string length')
  );
}
