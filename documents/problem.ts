/** The document of a failure over HTTP: a problem (RFC 9457). */
import * as z from 'zod';
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
