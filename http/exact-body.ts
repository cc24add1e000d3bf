/** Reads a JSON body. Numbers of one member keep all digits: none becomes a JavaScript number. */
import { TimewarpError } from '../core/errors/timewarp-error.ts';

/** JSON of ECMAScript with access to the text of numbers; the types of TypeScript lack it (MDN, "JSON.rawJSON()"). */
const EXACT = JSON as unknown as {
  parse(text: string, reviver: (name: string, value: unknown, at: { source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

/** @param member whose numbers print as they were written. Throws BAD_FLAGS if the body is not JSON. */
export function readExactJson(body: ArrayBuffer, member: string): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    const given: unknown = JSON.parse(text);
    if (!Object.hasOwn(Object(given), member)) return given;
    const exact = EXACT.parse(text, (_, value, { source }) =>
      typeof value === 'number' ? EXACT.rawJSON(source!) : value,
    );
    return { ...(given as object), [member]: (exact as Record<string, unknown>)[member] };
  } catch (cause) {
    throw new TimewarpError('BAD_FLAGS', 'The body is not JSON in UTF-8.', {
      cause,
      remedy: 'See /openapi.json.',
    });
  }
}
