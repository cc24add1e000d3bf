/** The documents of a failure: of a command with --json, and as a problem (RFC 9457) over HTTP. */
import * as z from 'zod';
import type { TimewarpError } from '../core/errors/timewarp-error.ts';
import { Text } from './values.ts';

export const PROBLEM_TYPES = 'urn:pgtimewarp:';

export const Problem = z.object({
  type: z.string().regex(/^urn:pgtimewarp:[A-Za-z_:-]+$/),
  title: Text,
  status: z.int(),
  detail: Text,
  remedy: Text.optional(),
  instance: Text.optional(),
});

export interface ProblemMembers extends Readonly<Omit<z.input<typeof Problem>, 'type'>> {
  /** The last part of the `type`. */
  readonly kind: string;
}

export function problemText({ kind, title, status, ...others }: ProblemMembers): string {
  const document: z.input<typeof Problem> = { type: `${PROBLEM_TYPES}${kind}`, title, status, ...others };
  return JSON.stringify(document);
}

/** What a command with --json prints when it fails. */
export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string };
}

export function errorDocument({ code, message, remedy }: TimewarpError): ErrorDocument {
  return { error: { code, message, remedy } };
}
