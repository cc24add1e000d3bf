import { ERROR_CODES, type ErrorAction, type ErrorCode } from './codes.ts';

/** The details of a failure, safe to print: they hold no password and no row data. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/**
 * Every failure that this program expects. `code` decides the exit status, the HTTP status and whether to retry. The
 * message is one sentence that names the object concerned. `remedy` says what to do, `facts` holds the figures.
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
