/** Types and their edge values, which docs/types.md proves and shows. */

export interface TypeValues {
  /** As in CREATE TABLE. */
  readonly type: string;
  /** Input texts. */
  readonly values: readonly string[];
  /** Whether the row shows the value as to_json() does; otherwise it holds the text form. */
  readonly asToJson: boolean;
  /** Whether values can be compared by IS NOT DISTINCT FROM. */
  readonly comparable?: boolean;
  /** A generation expression instead of values: the server determines what is stored. */
  readonly generated?: string;
}

/** What these types need; run before the table is made. */
export const TYPE_SETUP = `
  CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS citext;
  CREATE TYPE mood AS ENUM ('sad', 'it''s "fine", \\o/', 'ünïcode');
  CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
  CREATE DOMAIN short_list AS int[] CHECK (cardinality(VALUE) < 5);
  CREATE TYPE pair AS (a int, "b c" text);
  CREATE TYPE nest AS (p pair, ps pair[], d numeric, j jsonb);
  CREATE DOMAIN pair_domain AS pair;
  CREATE DOMAIN flag_domain AS boolean;
  CREATE DOMAIN json_domain AS jsonb;
  CREATE DOMAIN stamp_domain AS timestamptz;
  CREATE TYPE float_range AS RANGE (subtype = float8);`;

const json = (type: string, ...values: string[]): TypeValues => ({ type, values, asToJson: true });
const text = (type: string, ...values: string[]): TypeValues => ({ type, values, asToJson: false });
const incomparable = (each: TypeValues): TypeValues => ({ ...each, comparable: false });

const STRINGS = [
  ...[
    '',
    ' ',
    'plain',
    `'`,
    '"',
    '\\',
    '\\\\n',
    '\b\f\n\r\t\u0001\u001f\u007f',
    'é漢字😀',
    '\u2028\u2029\ufeff',
  ],
  ...['null', 'NULL', '{"a":1}', '","value":', '}]}', '\\u0041'],
];

export const TYPE_VALUES: readonly TypeValues[] = [
  json('smallint', '0', '-32768', '32767'),
  json('integer', '0', '-2147483648', '2147483647'),
  json('bigint', '9007199254740993', '-9223372036854775808', '9223372036854775807'),
  json(
    'numeric',
    ...['0', '1.10', '-0.000', '1e-50', '123456789012345678901234567890.123456789012345678901234567890'],
    ...['1e400', 'NaN', 'Infinity', '-Infinity'],
  ),
  json('numeric(10,2)', '0.1', '-99999999.99', 'NaN'),
  json('numeric(3,-2)', '12345'),
  json('real', ...['0', '-0', '0.1', '1e-45', '3.4028235e38', '16777217', 'NaN', 'Infinity', '-Infinity']),
  json(
    'double precision',
    ...[
      '0',
      '-0',
      '0.1',
      '5e-324',
      '1.7976931348623157e308',
      '9007199254740993',
      '1e15',
      '1e16',
      '0.0001',
      '0.00001',
    ],
    ...['NaN', 'Infinity', '-Infinity'],
  ),
  text('money', '0', '-1.23', '92233720368547758.07', '-92233720368547758.08'),
  json('text', ...STRINGS),
  json('varchar(20)', 'x', ' x '),
  json('character(5)', 'ab', '', '12345'),
  json('name', 'a name', 'n"q'),
  text('"char"', 'x', '', '\\351'),
  text('bytea', '\\x', '\\x00ff5c22', '\\x0102030405060708090a0b0c0d0e0f'),
  json('boolean', 'true', 'false'),
  json('uuid', '00000000-0000-0000-0000-000000000000', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'),
  json(
    'date',
    '2026-01-31',
    'infinity',
    '-infinity',
    '4713-11-24 BC',
    '0001-01-01',
    '10000-01-01',
    '5874897-12-31',
  ),
  json('time', '00:00:00', '24:00:00', '23:59:59.999999', '04:05:06.1'),
  json('time(3)', '04:05:06.1239'),
  json('time with time zone', '04:05:06.789+05:30', '00:00:00-15:59:59', '24:00:00+00'),
  json(
    'timestamp',
    ...[
      '2026-01-31 09:41:00.000001',
      'infinity',
      '-infinity',
      '4713-01-01 00:00:00 BC',
      '0099-12-31 23:59:59.9',
    ],
    ...['294276-12-31 23:59:59.999999', '10000-01-01 00:00:00'],
  ),
  json(
    'timestamp with time zone',
    ...['2026-03-29 01:30:00+02', '2026-01-31 09:41:00.123456-03:30', 'infinity', '-infinity'],
    ...['4713-01-01 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00', '1883-11-18 12:03:58-04:56:02'],
  ),
  text(
    'interval',
    ...[
      '0',
      '1 year 2 mons -3 days +04:05:06.789',
      '-1 year',
      '-00:00:00.000001',
      '178000000 years',
      '24:00:00',
      '1 day',
    ],
    ...['-1 mons +1 day -01:00:00', '1000000 hours'],
  ),
  text('interval day to second(2)', '1 day 02:03:04.567'),
  json('inet', '10.0.0.1', '10.0.0.1/8', '::1', '2001:db8::ff00:42:8329/64', '::ffff:1.2.3.4'),
  json('cidr', '10.0.0.0/8', '10.0.0.1/32', '2001:db8::/32'),
  json('macaddr', '08:00:2b:01:02:03', '08-00-2B-01-02-03'),
  json('macaddr8', '08:00:2b:01:02:03:04:05', '08:00:2b:01:02:03'),
  json('bit(5)', '10101', '00000'),
  json('bit varying', '', '1', '0101010101010101010101'),
  incomparable(
    json(
      'json',
      ...[
        'null',
        ' null ',
        '{"a":1,"a":2}',
        '"\\u0000"',
        '{ "x" : [ 1.0, 1e3 ] }',
        '\n[1,\t2]',
        '"\\u00e9\\/"',
        '""',
      ],
      ...[' {"a" : "},{" } ', '12345678901234567890.10'],
    ),
  ),
  json(
    'jsonb',
    'null',
    '{}',
    '[]',
    '"null"',
    '1.10',
    '1e400',
    '{"b":1,"a":[{"c":null}]}',
    '"\\"\\\\"',
    '"\\u00e9"',
    '-0.0',
  ),
  incomparable(
    json(
      'xml',
      '<a/>',
      '<?xml version="1.0"?><r a="1">x &lt; y</r>',
      'content only',
      '<a><![CDATA[ ]]]]><![CDATA[> ]]></a>',
    ),
  ),
  json('tsvector', `'a' 'b':1,2A`, `'it''s' 'back\\\\slash'`, ''),
  json('tsquery', `'fat' & ( 'rat' | !'cat' )`, `'a':*AB <-> 'b'`, ''),
  incomparable(json('point', '(1.5,-2)', '(0.1,1e300)')),
  incomparable(json('line', '{1,-1,0}')),
  incomparable(json('lseg', '[(0,0),(1,1)]')),
  incomparable(json('box', '(1,1),(0,0)')),
  incomparable(json('path', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))')),
  incomparable(json('polygon', '((0,0),(1,1),(1,0))')),
  incomparable(json('circle', '<(0,0),1.5>')),
  json('int4range', '[1,10)', '(,5]', 'empty', '(,)'),
  json('numrange', '[1.10,2.00]', '(NaN,)', '[-Infinity,Infinity]'),
  json('tstzrange', '["2026-01-01 00:00:00+02","2026-02-01 00:00:00+02")', '[,infinity)'),
  json('daterange', '[2026-01-01,2026-02-01)', '(,)'),
  json('float_range', '[0.1,NaN]'),
  json('int4multirange', '{}', '{[1,3),[5,10)}'),
  json('datemultirange', '{[2026-01-01,2026-01-02),[2026-03-01,)}'),
  json('pg_lsn', '0/0', 'FFFFFFFF/FFFFFFFF', '16/B374D848'),
  text('oid', '0', '4294967295'),
  text('xid8', '0', '18446744073709551615'),
  incomparable(text('xid', '4294967295')),
  text('regclass', 'pg_class'),
  text('regtype', 'integer'),
  text('tid', '(4294967295,65535)'),
  incomparable(text('jsonpath', '$."a"[*]?(@ > 1)')),
  incomparable(text('pg_snapshot', '10:20:10,14')),
  text('int2vector', '1 2 3'),
  text('oidvector', '1 2 3'),
  json('integer[]', '{}', '{1,NULL,-3}', '{{1,2},{3,4}}'),
  text('integer[]', '[0:1]={1,2}', '[-2:-1][3:4]={{1,2},{3,4}}'),
  json('bigint[]', '{9007199254740993}'),
  json('numeric[]', '{1.10,NaN,-Infinity,1e-30}'),
  json('double precision[]', '{-0,NaN,5e-324,Infinity}'),
  json('text[]', '{}', '{""," ",NULL,"NULL",null,"a,b","{","}","\\"","\\\\"}', '{{é,"x y"},{z,w}}'),
  json('boolean[]', '{t,f,NULL}'),
  json('timestamp[]', '{"2026-01-31 09:41:00.000001",infinity}'),
  json('timestamp with time zone[]', '{"2026-01-31 09:41:00.5+05:30",-infinity,"0044-03-15 00:00:00+00 BC"}'),
  json('date[]', '{2026-01-31,infinity}'),
  text('bytea[]', '{"\\\\x00ff",NULL}'),
  json('uuid[]', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'),
  json('jsonb[]', '{"{\\"a\\": 1}",1.10}'),
  text('jsonb[]', '{"null",NULL}', '{"[1, 2]"}'),
  incomparable(text('json[]', '{" 1 "}', '{"\\"\\\\u0000\\""}')),
  incomparable(text('box[]', '{(1,1),(0,0);(2,2),(1,1)}')),
  text('interval[]', '{"1 day",-00:00:01}'),
  json('int4range[]', '{"[1,3)",empty}'),
  json('mood', 'sad', `it's "fine", \\o/`, 'ünïcode'),
  json('mood[]', `{sad,"it's \\"fine\\", \\\\o/",NULL}`),
  json('positive', '1.10', '1e-50'),
  text('short_list', '{1,2}'),
  json('flag_domain', 'true', 'false'),
  json('json_domain', '{"a": 1}', 'null'),
  json('stamp_domain', '2026-01-31 09:41:00+00', 'infinity'),
  text('pair', '(1,"x y")', '(,)', '(,"")', '("-5","a""b\\\\c,()")'),
  text('pair[]', '{"(1,a)","(,)",NULL}'),
  text('pair_domain', '(1,a)'),
  text('nest', '("(1,a)","{""(2,b)""}",1.10,"{""k"": null}")'),
  text('positive[]', '{1.10,2}'),
  text('hstore', '"a"=>"1", "b"=>NULL, "c\\"d"=>"\\\\"', ''),
  text('citext', 'MiXed', ''),
  text('citext[]', '{MiXed,""}'),
];
