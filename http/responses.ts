/** The responses of routes: answers with their caching, documents of our own, and what is too large to send. */
import type { Context } from 'hono';
import type { AsOfResult } from '../core/query/as-of.ts';
import { numbersAsText } from '../core/types/json-text.ts';
import { answerProblemText } from '../documents/answer.ts';
import { isTooBig } from './carried-bytes.ts';
import { cacheHeaders, matchesTag, tagOf, withoutHorizon } from './entity-tag.ts';
import { HTTP, statusOfAnswer } from './http-status.ts';
import { PROBLEM_CONTENT, problem, respond } from './problem.ts';

export const JSON_CONTENT = 'application/json';

interface AnswerOptions {
  /** Whether the request names its instant, so that the same request later asks for the same answer. */
  readonly isPinned: boolean;
  readonly numbers: Numbers;
}

export function answer(context: Context, result: AsOfResult, { isPinned, numbers }: AnswerOptions): Response {
  const answerText = shown(result.answerText, numbers);
  if (isTooBig(answerText)) {
    return tooLarge('The row does not fit into a response.', 'Ask with `pgtimewarp asof`, or with SQL.');
  }
  const headers = cacheHeaders(result.final && isPinned, () => withoutHorizon(result.answerText));
  if (result.status === 'found') return keepable(context, answerText, headers);
  const text = answerProblemText({ ...result, answerText });
  const status = statusOfAnswer(result.status, result.reason);
  return respond(status, text, { ...headers, 'content-type': PROBLEM_CONTENT });
}

export type Numbers = 'json' | 'text';

/** An answer has no numbers except in the row and in the context of its transaction. */
export function shown(text: string, numbers: Numbers): string {
  return numbers === 'text' ? numbersAsText(text) : text;
}

/** 304 if the caller already has the answer (RFC 9110 section 13.2.1: only instead of a 2xx). */
export function keepable(context: Context, text: string, caching: Record<string, string>): Response {
  const headers = { ...caching, etag: caching.etag ?? tagOf(text) };
  if (matchesTag(context.req.header('if-none-match'), headers.etag)) {
    return respond(HTTP.notModified, null, headers);
  }
  return respond(HTTP.ok, text, { ...headers, 'content-type': JSON_CONTENT });
}

/** A document without row data. */
export function own(document: unknown): Response {
  return respond(HTTP.ok, JSON.stringify(document), {
    'content-type': JSON_CONTENT,
    'cache-control': 'no-store',
  });
}

export function tooLarge(detail: string, remedy: string, headers: Record<string, string> = {}): Response {
  return problem({
    status: HTTP.tooLarge,
    kind: 'too-large',
    title: 'The request or its answer is too large',
    detail,
    remedy,
    headers,
  });
}

export function forbidden(): Response {
  return problem({
    status: HTTP.forbidden,
    kind: 'forbidden',
    title: 'The token does not allow this request',
    detail: 'The claim of the token that names nodes and tables does not name this one.',
  });
}
