/**
 * Cache headers of answers. A final answer to a request that names its instants may be cached. Its weak tag covers everything but
 * the horizon, which moves all the time: the tag changes when `valid_to` becomes known, and stays when only time has passed. Other
 * answers must not be cached, because "now" and "up to the horizon" mean another instant a moment later. Their tag covers the whole
 * body: a client that sends it again learns whether anything has changed.
 */
import { hash } from 'node:crypto';

/** Headers for a body; the tag covers `lastingText`. @param keepable the answer is final and the request names its instants */
export function cacheHeaders(keepable: boolean, lastingText: () => string): Record<string, string> {
  if (!keepable) return { 'cache-control': 'no-store' };
  return { 'cache-control': 'private, max-age=300', etag: tagOf(lastingText()) };
}

/** A weak tag over the text. */
export function tagOf(text: string): string {
  return `W/"${hash('sha256', text, 'base64url').slice(0, 27)}"`;
}

/** The text of an as-of answer without its horizon. */
export function withoutHorizon(answerText: string): string {
  const start = answerText.lastIndexOf(',"horizon":{'); // only `final` and `oldest` follow it, never text of a row
  return start === -1
    ? answerText
    : answerText.slice(0, start) + answerText.slice(answerText.indexOf('}', start) + 1);
}

/** Whether `If-None-Match` names the tag (RFC 9110 section 13.1.2: weak comparison). */
export function matchesTag(ifNoneMatch: string | undefined, tag: string | undefined): boolean {
  if (ifNoneMatch === undefined || tag === undefined) return false;
  const bare = (text: string): string => text.trim().replace(/^W\//, '');
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((each) => bare(each) === bare(tag));
}
