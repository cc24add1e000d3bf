/** What callers over HTTP are told names parameters, not options of the command line. */
import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../core/errors/codes.ts';
import { inParameters } from '../../http/in-parameters.ts';

test.each([
  [
    'Look at the changes first. A larger --max-rows allows more.',
    'Look at the changes first. A larger max_rows allows more.',
  ],
  ['See `pgtimewarp COMMAND --help`.', 'See /openapi.json.'],
  ['Run `pgtimewarp init --node NAME`.', 'Run `pgtimewarp init --node NAME`.'],
  [ERROR_CODES.VALUES_UNKNOWN.remedy, 'Ask for other columns (columns).'],
  ['Ask for a later time, or leave such rows out (--unknown skip).', 'Ask for a later time.'],
  [ERROR_CODES.BAD_KEY.remedy, 'Name every key column once: pk={"region":"eu","id":"1"}.'],
  [ERROR_CODES.TABLE_NOT_TRACKED.remedy, 'Run `pgtimewarp track TABLE`, or name the right node.'],
])('%s', (told, over) => {
  expect(inParameters(told)).toBe(over);
});
