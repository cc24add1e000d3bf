/** What a caller is told who waits for something that does not answer: what that is, and nothing of its inside. */
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../core/errors/codes.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { problemOfError } from '../../http/problem.ts';

test.each([
  ['ARCHIVE_UNREACHABLE', 'archive'],
  ['STORE_UNREACHABLE', 'store'],
  ['SECRET_UNREADABLE', 'store'],
] as const satisfies readonly (readonly [ErrorCode, string])[])('%s: the %s', async (code, what) => {
  const reported: string[] = [];
  const response = problemOfError(new TimewarpError(code, 'GET s3://secret-place/x: 403'), (error, id) =>
    reported.push(error.code, id),
  );
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('5');
  expect(await response.json()).toEqual({
    type: `urn:pgtimewarp:error:${code}`,
    title: `The ${what} is not available`,
    status: 503,
    detail: `The ${what} does not answer.`,
    instance: reported[1],
  });
  expect(reported[0]).toBe(code);
});
