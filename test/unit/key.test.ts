import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalKey, canonicalKeyValue, keyTypeRefusal } from '../../core/types/key.ts';
import { createTypeCatalog } from '../../core/types/pg-types.ts';

const types = createTypeCatalog([
  { oid: 20010, typtype: 'b', typbasetype: 0, typelem: 0, typname: 'citext', typdelim: ',' },
  { oid: 20011, typtype: 'd', typbasetype: 20010, typelem: 0, typname: 'email', typdelim: ',' },
  { oid: 20012, typtype: 'e', typbasetype: 0, typelem: 0, typname: 'mood', typdelim: ',' },
]);

test('a key is a compact JSON array of strings', () => {
  expect(canonicalKey(['42'])).toBe('["42"]');
  expect(canonicalKey(['eu', '7'])).toBe('["eu","7"]');
  expect(canonicalKey(['a"\\/\n\u0001\u007f\u2028é'])).toBe('["a\\"\\\\/\\n\\u0001\u007f\u2028é"]');
});

test('different keys have different texts', () => {
  const key = fc.array(fc.string({ unit: 'binary', maxLength: 6 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(key, key, (a, b) => {
      expect(canonicalKey(a) === canonicalKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      expect(JSON.parse(canonicalKey(a))).toEqual(a);
    }),
    { numRuns: 300 },
  );
});

test.each<[number, string, string]>([
  [1700, '1.00', '1'],
  [1700, '1.10', '1.1'],
  [1700, '100', '100'],
  [1700, '100.00', '100'],
  [1700, '0.00', '0'],
  [1700, '-0.00', '0'],
  [1700, '-0.50', '-0.5'],
  [1700, 'NaN', 'NaN'],
  [1700, '-Infinity', '-Infinity'],
  [701, '-0', '0'],
  [701, '1e+20', '1e+20'],
  [700, '-0', '0'],
  [16, 't', 'true'],
  [16, 'f', 'false'],
  [16, 'true', 'true'],
  [1042, ' ab   ', ' ab'],
  [1042, '   ', ''],
  [25, 'ab ', 'ab '],
  [20010, 'AbÉΣ', 'abéσ'],
  [20010, 'ΣΑΣ', 'σασ'],
  [20011, 'İ', 'i'],
  [1184, '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00'],
  [17, '\\x00ff', '\\x00ff'],
])('type %i: %s', (oid, text, canonical) => {
  expect(canonicalKeyValue(types(oid), text)).toBe(canonical);
});

test('which types can be keys', () => {
  const allowed = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 650, 700, 701, 774, 790, 829, 869, 1042, 1043, 1082, 1083, 1114,
  ];
  const more = [1184, 1266, 1560, 1562, 1700, 2950, 3220, 5069, 20010, 20011, 20012];
  for (const oid of [...allowed, ...more]) expect(keyTypeRefusal(types(oid)), String(oid)).toBeNull();
  for (const oid of [1186, 1009, 114, 3802, 3904, 600, 3614, 142, 99999]) {
    expect(keyTypeRefusal(types(oid)), String(oid)).toMatch(/\w/);
  }
});
