/** The document of a failure of a command with --json. It loads no schemas: every command has it. */
import type { TimewarpError } from '../core/errors/timewarp-error.ts';

/** What a command with --json prints when it fails. */
export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string };
}

export function errorDocument({ code, message, remedy }: TimewarpError): ErrorDocument {
  return { error: { code, message, remedy } };
}
