/** The rows that the tap takes, however the socket cuts what the server sends, and what pg still gets. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MessageTap } from '../../core/pg/message-tap.ts';

interface Message {
  readonly type: string;
  readonly body: Buffer;
}

function encoded({ type, body }: Message): Buffer {
  const header = Buffer.from(`${type}....`);
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

/** Sends the messages cut at these places. */
function sent(tap: MessageTap, bytes: Buffer, cuts: readonly number[]): void {
  const places = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].sort(
    (a, b) => a - b,
  );
  for (let i = 1; i < places.length; i++) tap.receive(Buffer.from(bytes.subarray(places[i - 1], places[i])));
}

const message = fc.record({
  type: fc.constantFrom('D', 'D', 'C', 'N', 'Z'),
  body: fc.uint8Array({ maxLength: 40 }).map((body) => Buffer.from(body)),
});

test('rows go to the taker and all other bytes to pg, in their order', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 12 }), fc.array(fc.nat()), (messages, cuts) => {
      const seen: string[] = [];
      let passed = Buffer.alloc(0);
      const tap = new MessageTap((chunk) => {
        passed = Buffer.concat([passed, chunk]);
      });
      tap.take = (bytes, start, end) => {
        seen.push(`${passed.length} ${bytes.toString('hex', start, end)}`);
      };
      sent(tap, Buffer.concat(messages.map(encoded)), cuts);
      const others = messages.filter(({ type }) => type !== 'D');
      expect(passed.equals(Buffer.concat(others.map(encoded)))).toBe(true);
      let before = 0;
      const rows: string[] = [];
      for (const each of messages) {
        if (each.type === 'D') rows.push(`${before} ${each.body.toString('hex')}`);
        else before += encoded(each).length;
      }
      expect(seen).toEqual(rows); // each after the messages before it
    }),
    { numRuns: 2_000 },
  );
});

test('without a taker pg gets everything, and a taker that comes later gets whole rows', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), fc.array(fc.nat()), (messages, cuts) => {
      let passed = Buffer.alloc(0);
      const tap = new MessageTap((chunk) => {
        passed = Buffer.concat([passed, chunk]);
      });
      const first = Buffer.concat(messages.map(encoded));
      sent(tap, first, cuts);
      expect(passed.equals(first)).toBe(true);
      const rows: string[] = [];
      tap.take = (bytes, start, end) => void rows.push(bytes.toString('latin1', start, end));
      sent(tap, encoded({ type: 'D', body: Buffer.from('row') }), cuts);
      expect(rows).toEqual(['row']);
    }),
    { numRuns: 500 },
  );
});
