/**
 * How big a text is on its way out of a Lambda function: the body of a response is a JSON string inside a JSON document,
 * so that every quote of ours counts twice against the limit of 6 MB.
 */

/** What a body, or a page of a diff, may weigh at most. */
export const MAX_CARRIED_BYTES = 4_900_000;

export function carriedBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
