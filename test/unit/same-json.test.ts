/** JSON that PostgreSQL wrote anew is the same JSON; everything else is another. */
import { expect, test } from 'vitest';
import { isSameJson } from '../../core/types/same-json.ts';

test.each([
  ['{"a":1.0,"b":[true,null]}', ' { "a" : 1.0 , "b" : [ true , null ] } '],
  ['"\\u0041\\/"', '"A/"'],
  ['{"\\u0061":"\\n"}', '{"a":"\\u000a"}'],
  ['1', ' 1\n'],
  ['""', '""'],
])('%s is %s', (one, other) => {
  expect([isSameJson(one, other), isSameJson(other, one)]).toEqual([true, true]);
});

test.each([
  ['1.0', '1'],
  ['"1"', '1'],
  ['"a b"', '"ab"'],
  ['[1,2]', '[12]'],
  ['[1,2]', '[1,2'],
  ['true', '"true"'],
  ['{"a":1}', '{"a":1,"b":2}'],
  ['"["', '['],
  ['""', ''],
  ['1 2', '12'],
])('%s is not %s', (one, other) => {
  expect([isSameJson(one, other), isSameJson(other, one)]).toEqual([false, false]);
});
