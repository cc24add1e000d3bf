/** docs/operations.md agrees with the code. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { OPERATIONS_FILE, operationsPage } from '../../cli/dev/operations-page.ts';

test('the committed page equals the generated one (npm run docs:operations)', async () => {
  expect(await readFile(OPERATIONS_FILE, 'utf8')).toBe(await operationsPage());
});
