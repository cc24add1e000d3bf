/**
 * What an answer says about being kept. A final answer has a weak tag over everything but the horizon, which goes on for
 * ever: it changes when `valid_to` becomes known, and stays when only time has passed. Others are not to be kept.
 */
import { createHash } from 'node:crypto';
import { jsonMembers } from '../../core/types/json-text.ts';

/** Headers for a body whose lasting part is `lastingText`. */
export function cacheHeaders(final: boolean, lastingText: () => string): Record<string, string> {
  if (!final) return { 'cache-control': 'no-store' };
  const hash = createHash('sha256').update(lastingText()).digest('base64url').slice(0, 27);
  return { 'cache-control': 'private, max-age=300', etag: `W/"${hash}"` };
}

/** The text of an as-of answer without its horizon. */
export function withoutHorizon(answerText: string): string {
  const { members } = jsonMembers(answerText, 0);
  members.delete('horizon');
  return [...members].map(([name, value]) => `${name}:${value}`).join('\n');
}

/** Whether `If-None-Match` names the tag (RFC 9110 section 13.1.2: weak comparison). */
export function matchesTag(ifNoneMatch: string | undefined, tag: string | undefined): boolean {
  if (ifNoneMatch === undefined || tag === undefined) return false;
  const bare = (text: string): string => text.trim().replace(/^W\//, '');
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((each) => bare(each) === bare(tag));
}
