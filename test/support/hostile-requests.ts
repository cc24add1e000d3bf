/**
 * Hostile requests, made from the OpenAPI document, so that a new route is covered automatically. Their values have broken
 * programs before.
 */
import fc from 'fast-check';

export interface HostileRequest {
  readonly method: string;
  /** Path and query as sent, in Latin-1. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

interface Operation {
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    /** An object: its members are parameters. */
    readonly schema: { readonly type?: string; readonly examples?: readonly unknown[] };
  }[];
  readonly requestBody?: unknown;
}

const LONG = 100_000;
const MOST_OF_A_HEAD = 10_000;

const LSN = fc
  .tuple(fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1))
  .map(([high, low]) => `${(high >>> (low % 32)).toString(16)}/${low.toString(16).toUpperCase()}`);

const HOSTILE = fc.oneof(
  fc.constantFrom(
    ...[
      '',
      ' ',
      '\0',
      'a\0b',
      '\ud800',
      '\udfff\ud800',
      '\ufeff',
      '\u202e',
      '\u2028',
      'ẞ',
      '𝟙',
      '١٢٣',
      '🦣'.repeat(50),
    ],
    ...[
      'null',
      'undefined',
      'NaN',
      'Infinity',
      '-Infinity',
      '-1',
      '-0',
      '1e400',
      '1e-400',
      '0x10',
      '1_000',
      '1.0',
    ],
    ...[
      '2147483648',
      '-2147483649',
      '9223372036854775808',
      '9'.repeat(400),
      `${'9'.repeat(200)}.${'9'.repeat(200)}`,
    ],
    ...[
      "'; DROP TABLE pgtimewarp.nodes; --",
      "' OR '1'='1",
      '$1',
      '$$',
      '%s',
      '\\',
      '`id`',
      '<%= 7*7 %>',
      '{{7*7}}',
    ],
    ...['../../etc/passwd', '..', '.', '//', '?', '#', ';', '<script>', '\r\nset-cookie: a=b', '__proto__'],
    ...['infinity', '-infinity', 'epoch', 'now', 'today', 'yesterday', '4714-11-24T00:00:00Z BC', '24:00:00'],
    ...[
      '0000-00-00T00:00:00Z',
      '9999-12-31T23:59:59.999999Z',
      '2026-02-30T00:00:00Z',
      '2026-01-01T25:00:00Z',
    ],
    ...[
      '2026-01-01T00:00:00+99:99',
      '2026-01-01T00:00:00.1234567Z',
      '294277-01-01T00:00:00Z',
      '2026-01-01T00:00:60Z',
    ],
    ...['0/0', 'FFFFFFFF/FFFFFFFF', '0/', '/0', '123456789/0', '0/0/0', '-1/0', '0x0/0', 'G/0'],
    ...['1_0-1_0', '1_FFFFFFFF-FFFFFFFF_999999999', '999999999_0-0_0', '1_0-0_0'],
    ...[
      'public.',
      '.orders',
      'public.orders.more',
      'a.b.c',
      '"public"."orders"',
      '"',
      '""."',
      'pg_catalog.pg_class',
    ],
    ...[
      '{',
      '{}',
      '[]',
      '{"id":null}',
      '{"id":{}}',
      '{"id":[1]}',
      '{"id":1,"id":2}',
      '{"id":"\\u0000"}',
      '{"":1}',
    ],
    ...['{"id":1e999999}', '{"id":"\\ud800"}', '{"__proto__":{}}', `{"id":"${'x'.repeat(9_000)}"}`],
    ...[`${'{"a":'.repeat(1_500)}1${'}'.repeat(1_500)}`, `{"id":${'['.repeat(6_000)}${']'.repeat(6_000)}}`],
    'x'.repeat(8_000),
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.json({ maxDepth: 4 }),
  fc.bigInt().map(String),
  fc.double().map(String),
  LSN,
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
);
const HUGE = fc.constantFrom('x'.repeat(LONG), '%00'.repeat(LONG / 3), '['.repeat(LONG), '9'.repeat(LONG));

/** How a value is written into a URL: correctly, encoded twice, or as bytes that are not UTF-8. */
const ENCODINGS: readonly ((text: string) => string)[] = [
  ...[encode, encode, encode, encode, encode, encode],
  (text) => encode(encode(text)),
  (text) => encode(text).replaceAll('%2F', '%C0%AF').replaceAll('.', '%c0%ae'), // overlong
  (text) => `${encode(text)}%`,
  (text) => `${encode(text)}%F8%88%80%80%80`,
  (text) => `${encode(text)}%ED%A0%80`, // a surrogate
  (text) => text.replaceAll(/[^\x21-\x7e\xa0-\xff]|[?#&]/g, ''), // raw, in Latin-1
];

function encode(text: string): string {
  return encodeURIComponent(wellFormed(text));
}

/** Removes lone surrogates, which UTF-8 cannot represent. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

const encoding = fc.constantFrom(...ENCODINGS);
const rarely = <T>(often: fc.Arbitrary<T>, seldom: fc.Arbitrary<T>, outOf = 12): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: often, weight: outOf - 1 }, { arbitrary: seldom, weight: 1 });

/** @param known existing values, by the name of the parameter */
export function hostileRequests(
  document: { readonly paths: Readonly<Record<string, unknown>> },
  known: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<HostileRequest> {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, operation]) =>
      requestOf(path, method.toUpperCase(), operation, known),
    ),
  );
  return rarely(fc.oneof(...operations), elsewhere, 30);
}

function requestOf(
  path: string,
  method: string,
  { parameters, requestBody }: Operation,
  known: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<HostileRequest> {
  const hostileValue = ({ name, schema }: Operation['parameters'][number]): fc.Arbitrary<string> => {
    const examples = (schema.examples ?? []).filter((each) => typeof each === 'string');
    const good = [...(known[name] ?? []), ...examples];
    return good.length === 0 ? HOSTILE : fc.oneof(fc.constantFrom(...good), HOSTILE);
  };
  const encoded = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.tuple(value, encoding).map(([text, how]) => how(text));
  const inPath = parameters.filter((each) => each.in === 'path');
  const inQuery = parameters.filter((each) => each.in === 'query');
  // Usually all parameters but one are right; otherwise almost every request would be refused at its first parameter.
  const place = fc.tuple(
    ...inPath.map((each) =>
      rarely(fc.constantFrom(...(known[each.name] ?? ['x'])).map(encode), encoded(hostileValue(each)), 4),
    ),
  );
  const query = fc.tuple(
    ...inQuery.map((each) => {
      const member =
        each.schema.type === 'object' ? rarely(fc.constantFrom('id', 'at'), encoded(HOSTILE), 4) : null;
      const name = member === null ? fc.constant(each.name) : member.map((text) => `${each.name}.${text}`);
      const value = fc
        .tuple(name, rarely(encoded(hostileValue(each)), HUGE, 400))
        .map((pair) => pair.join('='));
      return each.required ? rarely(value, fc.constant('')) : fc.oneof(value, fc.constant(''));
    }),
    rarely(
      fc.constant(''),
      fc.tuple(encoded(HOSTILE), encoded(HOSTILE)).map((pair) => pair.join('=')),
      20,
    ),
    rarely(fc.constant(''), fc.constantFrom('pk=1', 'at=0/0', 'limit=1', '&&&', '=', '%', 'pk'), 20),
  );
  return fc
    .record({
      method: rarely(
        fc.constant(method),
        fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
        20,
      ),
      place,
      query,
      headers: headersOf(),
      ...(requestBody === undefined
        ? {}
        : { body: path.endsWith('/restore-plans') ? planBody(known) : BODY }),
    })
    .map(({ place: values, query: parts, ...rest }) => {
      const names = inPath.map(({ name }) => `{${name}}`);
      const target = names.reduce((text, name, index) => text.replace(name, () => values[index]!), path);
      // requests of this test must not wait long
      const waits = parts.some((part) => part.startsWith('await_lsn='));
      const kept = parts.filter((part) => part !== '' && !(waits && part.startsWith('await_seconds=')));
      const whole = `${target}?${[...kept, ...(waits ? ['await_seconds=0'] : [])].join('&')}`;
      // a server that stops reading in the middle of the URL cannot know that there is no body
      const asked = rest.method === 'HEAD' && whole.length > MOST_OF_A_HEAD ? 'GET' : rest.method;
      return { ...rest, method: asked, target: whole };
    });
}

const elsewhere: fc.Arbitrary<HostileRequest> = fc
  .tuple(fc.constantFrom('GET', 'POST', 'PATCH'), HOSTILE, encoding, headersOf())
  .map(([method, text, how, headers]) => ({ method, target: `/${how(text)}`, headers }));

function headersOf(): fc.Arbitrary<Record<string, string>> {
  const latin = HOSTILE.map((text) => text.replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '').slice(0, 2_000));
  return fc
    .record(
      {
        'if-none-match': fc.oneof(latin, fc.constantFrom('*', 'W/"x"', '"'.repeat(1_000), ','.repeat(5_000))),
        accept: latin,
        'content-encoding': fc.constantFrom('gzip', 'br', 'nonsense'),
        'content-type': latin,
        range: fc.constantFrom('bytes=0-0', 'bytes=5-1', 'x'),
        'x-forwarded-host': latin,
      },
      { requiredKeys: [] },
    )
    .map((headers) => Object.fromEntries(Object.entries(headers).filter(([, value]) => value.trim() !== '')));
}

const KEY = fc.oneof(
  fc.oneof(fc.integer({ min: -5, max: 60 }), HOSTILE).map((value) => JSON.stringify(value)),
  fc.json({ maxDepth: 3 }),
  fc.constantFrom('1', '{"id":1}', '{"id":"2"}', '9007199254740993', '1e999999', '0.10', 'null', 'true'),
);
const BODY: fc.Arbitrary<string | Uint8Array> = fc.oneof(
  { arbitrary: fc.array(KEY, { maxLength: 110 }).map((keys) => `{"keys":[${keys.join(',')}]}`), weight: 6 },
  { arbitrary: fc.json(), weight: 1 },
  { arbitrary: HOSTILE.map(wellFormed), weight: 1 },
  { arbitrary: fc.uint8Array({ maxLength: 200 }), weight: 1 },
  {
    arbitrary: fc.constantFrom(
      `{"keys":["${'x'.repeat(LONG)}"]}`,
      `{"keys":[${'1,'.repeat(50_000)}1]}`,
      `{"keys":[${'['.repeat(50_000)}${']'.repeat(50_000)}]}`,
      `{"keys":[${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)},1]}`,
      `{"keys":["${'\\u0000'.repeat(10_000)}"]}`,
      `{"keys":["${'x'.repeat(400_000)}"]}`,
    ),
    weight: 1,
  },
);

/** What is to be undone: usually right but for one member. */
function planBody(known: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<string | Uint8Array> {
  const good = (name: string): fc.Arbitrary<unknown> => fc.constantFrom(...(known[name] ?? ['x']));
  const odd = fc.oneof(HOSTILE, fc.jsonValue({ maxDepth: 3 }));
  const often = (arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => rarely(arbitrary, odd, 6);
  const at = often(fc.constantFrom('2026-01-01T00:00:00Z', '0/1', '0/0', new Date().toISOString()));
  const lsn = good('lsn').map((text) => String(text).replace('-', '/'));
  const named = (names: readonly string[], value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    often(fc.dictionary(rarely(fc.constantFrom(...names), HOSTILE, 6), value, { maxKeys: 3 }));
  const key = good('pk').map((text) => {
    try {
      return JSON.parse(String(text)) as unknown;
    } catch {
      return text;
    }
  });
  const table = often(good('table'));
  const options = {
    skip_conflicts: often(fc.boolean()),
    no_triggers: often(fc.boolean()),
    cascade: often(fc.boolean()),
    defaults: often(fc.boolean()),
    max_rows: often(fc.constantFrom(1, 50, 10_000)),
    lock_timeout_seconds: often(fc.constantFrom(1, 3600)),
  };
  const form = (members: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<string> =>
    fc
      .tuple(fc.record(members), fc.record(options, { requiredKeys: [] }))
      .map(([must, may]) => wellFormed(JSON.stringify({ ...must, ...may })));
  return fc.oneof(
    form({
      transactions: often(fc.array(often(fc.oneof(lsn, fc.constantFrom('1', '740'))), { maxLength: 4 })),
    }),
    form({ by: named(['user', 'user.id'], often(good('by'))), from: at }),
    form({ table, at, pk: often(key) }),
    form({ table, at, where: named(['id', 'total', 'region'], often(good('where'))) }),
    form({ table, at, all: often(fc.constant(true)) }),
    BODY,
  );
}
