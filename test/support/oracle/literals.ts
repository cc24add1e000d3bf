/** SQL literals of hostile values, by type. */
import fc from 'fast-check';
import pg from 'pg';

const literal = (text: string): string => pg.escapeLiteral(text);
const constants = (...texts: string[]): fc.Arbitrary<string> => fc.constantFrom(...texts.map(literal));

/** One in four is NULL. */
export const orNull = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 3, arbitrary: value }, { weight: 1, arbitrary: fc.constant('NULL') });

export const integers = (...values: number[]): fc.Arbitrary<string> => fc.constantFrom(...values.map(String));

export const strings = fc.oneof(
  fc
    .string({ unit: 'binary', maxLength: 20 })
    .filter((text) => !text.includes('\0') && !/\p{Surrogate}/u.test(text))
    .map(literal),
  constants(
    '',
    ' ',
    "'",
    '"',
    '\\',
    '\\N',
    '\t\n\r',
    '","value":',
    '}]',
    'null',
    '{"a":1}',
    'é漢😀',
    '\u2028',
  ),
);

/** Stored out of line, if the column's storage allows it. */
export const longTexts = fc
  .tuple(fc.nat({ max: 200 }), fc.integer({ min: 200, max: 900 }))
  .map(
    ([seed, count]) =>
      `(SELECT string_agg(md5((${seed} + i)::text), '') FROM generate_series(1, ${count / 10}) AS i)`,
  );

export const longBytes = longTexts.map((text) => `convert_to(${text}, 'UTF8')`);

export const finiteNumerics = constants(
  ...['0', '1', '1.00', '-0.000', '9007199254740993', '1e-40', '123456789012345678901234567890.0123456789'],
);
export const numerics = fc.oneof(
  { weight: 9, arbitrary: finiteNumerics },
  { weight: 1, arbitrary: constants('NaN', 'Infinity', '-Infinity') },
);
export const floats = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.oneof(
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .map((value) => literal(Object.is(value, -0) ? '-0' : String(value))),
      constants('-0', '5e-324', '1.7976931348623157e308', '0.1'),
    ),
  },
  { weight: 1, arbitrary: constants('NaN', 'Infinity', '-Infinity') },
);
export const instants = constants(
  ...['infinity', '-infinity', '4713-01-01 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00'],
  ...['2026-03-29 01:30:00.000001+02', '1999-12-31 23:59:59.999999-03:30'],
);
export const jsonbs = constants(
  ...['null', '{}', '[]', '"null"', '1.10', '{"a": [1, {"b": null}]}', '"\\"\\\\\\u00e9"', '[1e400, -0.0]'],
);
/** Without values that JSON functions cannot bring back to the source, where the oracle compares; see docs/types.md for those. */
export const jsons = constants(...['null', '{"a":1,"a":2}', '{ "x" : [ ] }', '[1,\t2 ]', '1.0', '"x"']);
export const textArrays = constants(
  '{}',
  '{NULL,"null",""}',
  '{{a,b},{c,d}}',
  '[0:1]={x,y}',
  '{"a\\"b","c\\\\d","e,f","{"}',
);
export const booleans = fc.constantFrom('true', 'false');
