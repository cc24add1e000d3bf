/** JSON with whole numbers of any size: ids of snapshots have 63 bits, of which a JavaScript number keeps 53. */

/** As JSON.parse, with a bigint for every whole number that a JavaScript number would change. */
export function parseExact(text: string): unknown {
  const exact = (_: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context!.source!)
      : value;
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown);
}

/** As JSON.stringify, with bigints as numbers. */
export function formatExact(value: unknown): string {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'bigint' ? rawJSON(String(each)) : each,
  );
}
