/**
 * What an answer says about being kept. A final answer to a request that names its instants has a weak tag over everything
 * but the horizon, which goes on for ever: it changes when `valid_to` becomes known, and stays when only time has passed.
 * Others are not to be kept: "now" and "up to the horizon" are another question a moment later. Their tag is over all of the body:
 * whoever asks again with it learns that nothing at all has changed.
 */
import { hash } from 'node:crypto';

/** Headers for a body whose lasting part is `lastingText`. @param keepable final, and what the caller pinned */
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
  const start = answerText.lastIndexOf(',"horizon":{'); // behind it stand `final` and `oldest` only: nothing of a row
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
