/** The events in the guide and in remedies are valid. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { parseEvent } from '../../lambda/maintenance/event.ts';

function refusal(event: unknown): TimewarpError {
  try {
    parseEvent(event);
  } catch (error) {
    if (error instanceof TimewarpError) return error;
  }
  throw new Error('it was not refused');
}

const GUIDE = [...readFileSync('docs/aws.md', 'utf8').matchAll(/^\$ maintain '(.*)'$/gm)].map(
  (match) => match[1]!,
);
const REMEDY = refusal({}).remedy.replace('Write one of ', '').split(' · ');

describe.each([
  ['the guide', GUIDE],
  ['the remedy', REMEDY],
])('%s', (_, events) => {
  test('shows every action', () => {
    const actions = events.map((event) => (JSON.parse(event) as { action: string }).action);
    expect([...new Set(actions)].sort()).toEqual(['rebaseline', 'release-slot', 'skip', 'slot-budget']);
  });

  test.each(events)('%s', (event) => {
    expect(parseEvent(JSON.parse(event))).toMatchObject({ node: 'shop' });
  });
});

test('an action that loses history needs a yes', () => {
  for (const event of [
    { action: 'release-slot', node: 'shop' },
    { action: 'rebaseline', node: 'shop', wholeNode: true },
  ]) {
    expect(refusal(event)).toMatchObject({
      code: 'BAD_FLAGS',
      message: expect.stringContaining('"yes": true'),
    });
    expect(parseEvent({ ...event, yes: true })).toBeDefined();
  }
});
