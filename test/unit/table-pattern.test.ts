/** Patterns for names of tables: those that psql's \d accepts, in one spelling. */
import { expect, test } from 'vitest';
import { isTablePattern, parseTablePattern } from '../../core/pg/table-pattern.ts';

test.each([
  ['tenant_*.orders', 'tenant_*.orders', 'tenant\\_%', 'orders'],
  ['Tenant_*.ORDERS', 'tenant_*.orders', 'tenant\\_%', 'orders'],
  ['log_*', 'public.log_*', 'public', 'log\\_%'],
  ['log**', 'public.log*', 'public', 'log%%'],
  ['t?.*', 't?.*', 't_', '%'],
  ['"Odd.*"*', 'public."Odd.*"*', 'public', 'Odd.*%'],
  ['"or"ders*', 'public.orders*', 'public', 'orders%'],
  ['"a""b"*', 'public."a""b"*', 'public', 'a"b%'],
  ['*_2024', 'public.*_2024', 'public', '%\\_2024'],
  ['"100%\\"*', 'public."100%\\"*', 'public', '100\\%\\\\%'],
])('%s', (text, formatted, schemaLike, nameLike) => {
  expect(isTablePattern(text)).toBe(true);
  const pattern = parseTablePattern(text);
  expect(pattern).toMatchObject({ text: formatted, schemaLike, nameLike });
  expect(parseTablePattern(pattern.text).text).toBe(formatted);
});

test.each(['orders', 'a.b', '"odd*name"', '"a"."b?"'])('%s is a name', (text) => {
  expect(isTablePattern(text)).toBe(false);
});

test.each(['a.b.*', '.*', 'a*.', 'a b*', 'a-*', '"a*'])('%s is not a pattern', (text) => {
  expect(() => parseTablePattern(text)).toThrow(expect.objectContaining({ code: 'BAD_TABLE_NAME' }));
});
