import { expect, test } from 'vitest';
import { extensionScripts, newestVersion } from '../../cli/extension/scripts.ts';
import { isEarlierVersion, SQL_FUNCTIONS_VERSION } from '../../core/source/catalog/sql-functions.ts';

test('the version of the SQL functions that doctor expects is that of the files', () => {
  expect(SQL_FUNCTIONS_VERSION).toBe(newestVersion(extensionScripts()));
});

test.each([
  ['0.4', '0.5', true],
  ['0.5', '0.5', false],
  ['0.9', '0.10', true],
  ['1.0', '0.10', false],
  ['0.5', '0.5.1', true],
])('%s before %s: %s', (a, b, expected) => expect(isEarlierVersion(a, b)).toBe(expected));
