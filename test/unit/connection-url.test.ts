/** Connection URLs: what is not followed is refused, because another server would answer. */
import { expect, test } from 'vitest';
import { parseConnectionUrl } from '../../core/pg/connection.ts';

test.each([
  'postgres:///?service=shop',
  'postgres://db/shop?hostaddr=10.0.0.1',
  'postgres:///?servicefile=/x&service=y',
])('%s is refused', (url) => {
  expect(() => parseConnectionUrl(url, 'store')).toThrow(
    /(service|servicefile|hostaddr)=… in --store is not supported/,
  );
});

test('white space around a URL, and parameters that choose nothing, do not matter', () => {
  const url = ' postgres://ann@db.example:6543/shop?channel_binding=require\n';
  expect(parseConnectionUrl(url, 'source')).toMatchObject({
    ...{ host: 'db.example', port: 6543, user: 'ann', database: 'shop' },
  });
});
