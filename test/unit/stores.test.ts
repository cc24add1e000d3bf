/** How long the API keeps what stores said about their nodes. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Stores } from '../../lambda/api/stores.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

test('after a minute the store that had a node is asked again, and then the others', async () => {
  const said: Record<string, object[]> = { a: [{ node: 'shop', status: 'active' }], b: [] };
  const asked: string[] = [];
  const stores = new Stores(async <T>(name: string) => {
    asked.push(name);
    return said[name] as T;
  });
  const secretOf = (): Promise<string> => stores.secretOf('shop', ['a', 'b']);
  expect(await secretOf()).toBe('a');
  expect(await secretOf()).toBe('a');
  expect(asked.splice(0)).toEqual(['a', 'b']);
  vi.advanceTimersByTime(61_000);
  expect(await secretOf()).toBe('a');
  expect(asked.splice(0)).toEqual(['a']);
  said.a = [{ node: 'shop', status: 'removed' }];
  said.b = [{ node: 'shop', status: 'active' }];
  expect(await secretOf()).toBe('a');
  vi.advanceTimersByTime(61_000);
  expect(await secretOf()).toBe('b');
  expect(asked).toEqual(['a', 'a', 'b']);
});

test('one store is not asked', async () => {
  const stores = new Stores(() => Promise.reject(new Error('asked')));
  expect(await stores.secretOf('shop', ['a'])).toBe('a');
});
