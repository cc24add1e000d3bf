/**
 * How big a text is on its way out of a Lambda function: the body of a response is a JSON string inside a JSON document,
 * so that every quote of ours counts twice against the limit of 6 MB.
 */

/** What a body, or a page of a diff, may weigh at most. */
export const MAX_CARRIED_BYTES = 4_900_000;

/** No character takes more: \u0000. */
const MOST_PER_UNIT = 6;

/** Whether a body is bigger than a response may be; most are so small that nobody has to count. */
export function isTooBig(text: string): boolean {
  return text.length * MOST_PER_UNIT > MAX_CARRIED_BYTES && carriedBytes(text) > MAX_CARRIED_BYTES;
}

export function carriedBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
