import { ERROR_CODES, type ErrorAction, type ErrorCode } from './codes.ts';

/** Plain facts of the failure, safe to print: never a password, never row data. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/**
 * Every failure that this program foresees. `code` decides what happens (exit status, HTTP status, retry); the message
 * is one sentence that names the thing concerned; `remedy` says what to do, `facts` carry the figures.
 */
export class TimewarpError extends Error {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;
  readonly remedy: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { facts?: ErrorFacts; cause?: unknown; remedy?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TimewarpError';
    this.code = code;
    this.facts = options.facts ?? {};
    this.remedy = options.remedy ?? ERROR_CODES[code].remedy;
  }

  get action(): ErrorAction {
    return ERROR_CODES[this.code].action;
  }
}
