/** What V8 throws about a text beyond its limit (about 512 million characters): made at once, or put together. */
export function isTooLong(error: unknown): boolean {
  return (
    (error as { code?: unknown } | null)?.code === 'ERR_STRING_TOO_LONG' ||
    (error instanceof RangeError && error.message === 'Invalid string length')
  );
}
