import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  jsonMembers,
  jsonStringEnd,
  jsonValueEnd,
  numbersAsText,
  quoteJson,
  unquoteJson,
} from '../../core/types/json-text.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 30 });
const hostileText = fc.string({
  unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', 'n', '\n', '\u0001', 'é'),
  maxLength: 12,
});
const text = fc.oneof(anyText, hostileText);

test('a text becomes the JSON string that to_json(text) prints', () => {
  expect(quoteJson('"\\/\b\f\n\r\t')).toBe('"\\"\\\\/\\b\\f\\n\\r\\t"');
  expect(quoteJson('\u0001\u001f')).toBe('"\\u0001\\u001f"');
  expect(quoteJson('\u007f\u0080\u2028\u2029\uffff😀')).toBe('"\u007f\u0080\u2028\u2029\uffff😀"');
});

test('quoting and unquoting are inverse', () => {
  fc.assert(
    fc.property(text, (value) => {
      expect(unquoteJson(quoteJson(value))).toBe(value);
    }),
    { numRuns: 500 },
  );
});

test('escapes that other programs write are read', () => {
  expect(unquoteJson('"\\u00E9\\/\\u000a\\ud83d\\ude00"')).toBe('é/\n😀');
  for (const bad of ['"\\x"', '"\\u12"', '"\\u12g4"'])
    expect(() => unquoteJson(bad), bad).toThrow(RangeError);
});

test('the end of any value is found where JSON.stringify put it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), text, (value, after) => {
      const json = JSON.stringify(value);
      expect(jsonValueEnd(`${json},"${after}`, 0)).toBe(json.length);
      expect(jsonValueEnd(`[${json}]`, 1)).toBe(json.length + 1);
    }),
    { numRuns: 300 },
  );
});

test('the end of a string does not depend on the backslashes before its quote', () => {
  fc.assert(
    fc.property(hostileText, hostileText, (value, after) => {
      const json = JSON.stringify(value);
      expect(jsonStringEnd(`x\\${json}${after}"`, 2)).toBe(json.length + 2);
    }),
    { numRuns: 500 },
  );
});

test('members of an object keep their JSON text', () => {
  fc.assert(
    fc.property(fc.dictionary(text, fc.jsonValue()), (object) => {
      const json = JSON.stringify(object);
      const { members, end } = jsonMembers(`.${json}.`, 1);
      expect(end).toBe(json.length + 1);
      expect([...members]).toEqual(
        Object.entries(object).map(([name, value]) => [name, JSON.stringify(value)]),
      );
    }),
    { numRuns: 300 },
  );
});

test.each(['', '{', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{a:1}', '{"a" 1}', '{"a":[1}', '[1]', '{"a":}'])(
  'broken JSON is refused: %s',
  (json) => {
    expect(() => jsonMembers(json, 0)).toThrow(RangeError);
  },
);

const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 });

test('white space around a value belongs to the value', () => {
  const value = fc
    .tuple(space, fc.jsonValue(), space)
    .map(([before, json, after]) => before + JSON.stringify(json) + after);
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(text, value), { selector: ([name]) => name }), (pairs) => {
      const json = `{${pairs.map(([name, each]) => `${JSON.stringify(name)}:${each}`).join(',')}}`;
      const { members, end } = jsonMembers(`${json} ,`, 0);
      expect(end).toBe(json.length);
      expect([...members]).toEqual(pairs);
    }),
    { numRuns: 300 },
  );
});

test('numbers as text: every number outside strings, and none inside them', () => {
  expect(numbersAsText('{"1":1,"a":[-0.10,1E+5,"2 3\\"4"],"b":null,"c":true}')).toBe(
    '{"1":"1","a":["-0.10","1E+5","2 3\\"4"],"b":null,"c":true}',
  );
  expect(numbersAsText('9007199254740993')).toBe('"9007199254740993"');
  expect(numbersAsText('[]')).toBe('[]');
});
