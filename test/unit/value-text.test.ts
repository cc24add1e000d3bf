/**
 * The JSON text that render-text.ts makes of a value becomes the value's text again. test/pg/query/table-rows.test.ts checks
 * this with a server.
 */
import { expect, test } from 'vitest';
import { createTypeCatalog } from '../../core/types/pg-types.ts';
import { renderText } from '../../core/types/render-text.ts';
import { valueText } from '../../core/types/value-text.ts';

const types = createTypeCatalog([]);
const [BOOL, TEXT, JSON_, TIMESTAMP, TIMESTAMPTZ, NUMERIC] = [16, 25, 114, 1114, 1184, 1700];
const [TEXTS, INTS, TIMESTAMPTZS, JSONBS, BOXES, BOOLS] = [1009, 1007, 1185, 3807, 1020, 1000];

test.each([
  [BOOL, 't'],
  [TEXT, 'true'],
  [TEXT, 'null'],
  [TEXT, ''],
  [TEXT, '2026-01-31T09:41:00+00:00'],
  [TEXT, '{"a":1}\n\t"\\'],
  [JSON_, ' { "a" : "\\u0000" } '],
  [JSON_, '"x"'],
  [JSON_, ' null '],
  [TIMESTAMP, '4713-01-01 00:00:00 BC'],
  [TIMESTAMP, 'infinity'],
  [TIMESTAMPTZ, '2026-01-31 13:11:00.123456+00'],
  [TIMESTAMPTZ, '0044-03-15 00:00:00+00 BC'],
  [NUMERIC, 'NaN'],
  [NUMERIC, '123456789012345678901234567890.10'],
  [TEXTS, '{"",NULL,"NULL","null","a b","a,b","{","\\"","\\\\",é,[x],"\u000b"}'],
  [TEXTS, '{}'],
  [TEXTS, '{{a,b},{NULL,d}}'],
  [INTS, '[0:1]={1,2}'],
  [INTS, '{1,NULL,-3}'],
  [BOOLS, '{t,f,NULL}'],
  [TIMESTAMPTZS, '{"2026-01-31 04:11:00.5+00",-infinity}'],
  [JSONBS, '{"{\\"a\\": [1, 2]}",1.10,NULL,true,"\\"x, y\\""}'],
  [JSONBS, '{"null",NULL}'],
  [JSONBS, '{"[1, 2]"}'],
  [BOXES, '{(1,1),(0,0);(2,2),(1,1)}'],
])('type %i: %s', (oid, text) => {
  const kind = types(oid);
  expect(valueText(kind, renderText(kind, text))).toBe(text);
});
