/** Expected texts are what to_json() of PostgreSQL 15 prints, unless a comment says otherwise. */
import { describe, expect, test } from 'vitest';
import { createTypeCatalog, type TypeRow } from '../../core/types/pg-types.ts';
import { renderText } from '../../core/types/render-text.ts';

const row = (oid: number, typtype: string, more: Partial<TypeRow> = {}): TypeRow => ({
  oid,
  typtype,
  typbasetype: 0,
  typelem: 0,
  typname: `t${oid}`,
  typdelim: ',',
  ...more,
});

const types = createTypeCatalog([
  row(20001, 'e'),
  row(20002, 'b', { typelem: 20001 }),
  row(20003, 'd', { typbasetype: 20004 }),
  row(20004, 'd', { typbasetype: 1700 }),
  row(20005, 'b', { typelem: 20003 }),
  row(20006, 'd', { typbasetype: 1009 }),
  row(20007, 'b', { typelem: 20006 }),
  row(20008, 'c'),
  row(20009, 'b', { typelem: 20008 }),
  row(20010, 'b', { typname: 'citext' }),
  row(20011, 'b', { typname: 'hstore' }),
  row(20012, 'r'),
]);

const [BOOL, BYTEA, INT8, TEXT, JSON_TYPE, FLOAT8, DATE, TIMESTAMP, TIMESTAMPTZ, NUMERIC] = [
  16, 17, 20, 25, 114, 701, 1082, 1114, 1184, 1700,
] as const;

test.each<[number, string, string]>([
  [INT8, '9007199254740993', '9007199254740993'],
  [NUMERIC, '1.10', '1.10'],
  [NUMERIC, 'NaN', '"NaN"'],
  [FLOAT8, '-Infinity', '"-Infinity"'],
  [FLOAT8, '-0', '-0'],
  [FLOAT8, '5e-324', '5e-324'],
  [BOOL, 't', 'true'],
  [BOOL, 'f', 'false'],
  [TEXT, '', '""'],
  [TEXT, 'null', '"null"'],
  [BYTEA, '\\xdead', '"\\\\xdead"'],
  [JSON_TYPE, ' {"a":1, "a":"\\u0000"} ', ' {"a":1, "a":"\\u0000"} '],
  [DATE, '0044-03-15 BC', '"0044-03-15 BC"'],
  [TIMESTAMP, '2026-01-01 00:00:00.000001', '"2026-01-01T00:00:00.000001"'],
  [TIMESTAMP, 'infinity', '"infinity"'],
  [TIMESTAMP, '0044-03-15 12:00:00 BC', '"0044-03-15T12:00:00 BC"'],
  [TIMESTAMPTZ, '2026-01-01 00:00:00+00', '"2026-01-01T00:00:00+00:00"'],
  [TIMESTAMPTZ, '0044-03-15 12:00:00.5+00 BC', '"0044-03-15T12:00:00.5+00:00 BC"'],
  [TIMESTAMPTZ, '-infinity', '"-infinity"'],
  [20003, '7.00', '7.00'],
])('type %i: %s', (oid, text, json) => {
  expect(renderText(types(oid), text)).toBe(json);
});

describe('arrays', () => {
  test.each<[number, string, string]>([
    [1016, '{1,NULL,3}', '[1,null,3]'],
    [1016, '{}', '[]'],
    [1016, '{{1,2},{3,NULL}}', '[[1,2],[3,null]]'],
    [1009, '{"a b",NULL,"NULL","x\\\\y\\"z","",null,é}', '["a b",null,"NULL","x\\\\y\\"z","","null","é"]'],
    [1231, '{1.10,NaN}', '[1.10,"NaN"]'],
    [1000, '{t,f}', '[true,false]'],
    [1185, '{"2026-01-01 00:00:00+00",infinity}', '["2026-01-01T00:00:00+00:00","infinity"]'],
    [1020, '{(1,1),(0,0);(2,2),(1,1)}', '["(1,1),(0,0)","(2,2),(1,1)"]'],
    [20002, '{a,"b c"}', '["a","b c"]'],
    [20005, '{1.0,2}', '[1.0,2]'],
    [3807, '{"{\\"a\\": [1]}",NULL,"\\"s\\\\n\\""}', '[{"a": [1]},null,"s\\n"]'],
  ])('type %i: %s', (oid, text, json) => {
    expect(renderText(types(oid), text)).toBe(json);
  });

  // json_populate_record() would make another value of the JSON array, so the text form is used
  test.each<[string, number, string]>([
    ['a lower bound', 1016, '[0:1]={1,2}'],
    ['an element that is a JSON array', 3807, '{"[1]"}'],
    ['an element that is JSON null', 3807, '{"null"}'],
    ['white space around a json element', 199, '{" 1"}'],
    ['an escape in a json string', 199, '{"\\"\\\\u0041\\""}'],
    ['elements that are rows', 20009, '{"(1,a)"}'],
    ['elements that are domains over arrays', 20007, '{"{a}"}'],
  ])('text form: %s', (_, oid, text) => {
    expect(renderText(types(oid), text)).toBe(JSON.stringify(text));
  });

  test.each(['{1', '{"1}', 'x', '{1}}', ''])('not an array: %s', (text) => {
    expect(() => renderText(types(1016), text)).toThrow(RangeError);
  });
});

test('kinds of types that users define', () => {
  const names = [20001, 20003, 20006, 20008, 20009, 20010, 20011, 20012, 99999].map((oid) => types(oid).name);
  expect(names).toEqual([
    'enum',
    'numeric',
    'array',
    'composite',
    'array',
    'citext',
    'other',
    'range',
    'unknown',
  ]);
});
