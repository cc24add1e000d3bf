/**
 * The size of a text in the response of a Lambda function. The body is a JSON string inside a JSON document, so every quotation
 * mark counts twice toward the limit of 6 MB.
 */

/** The largest size of a body or of a page of a diff. */
export const MAX_CARRIED_BYTES = 4_900_000;

/** The most bytes that one character needs: \u0000. */
const MOST_PER_UNIT = 6;

/** Whether a body is larger than a response may be. Most bodies are so small that this needs no counting. */
export function isTooBig(text: string): boolean {
  return text.length * MOST_PER_UNIT > MAX_CARRIED_BYTES && carriedBytes(text) > MAX_CARRIED_BYTES;
}

export function carriedBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
