/** Requests over HTTP and their answers, as one table for every way to reach the API. */

/** A tracked node with a row 1 in `orders`. Other nodes: h1 has a gap, h2 a pending baseline, h3 a window from commit 40. */
export interface Subject {
  readonly node: string;
  /** The path of the table. */
  readonly orders: string;
}

export interface Request {
  readonly target: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export interface Case extends Request {
  readonly status: number;
  /** For a problem: the end of its `type`. */
  readonly type?: string;
  readonly says?: RegExp;
}

const OLD = '2020-01-01T00:00:00Z';
const at = (second: string): string => `2026-01-01T00:${second}Z`;

/** Answers of the routes in the document. */
export const CASES: readonly (readonly [string, (subject: Subject) => Case])[] = [
  ['nodes', ({ node }) => ({ target: '/v1/nodes', status: 200, says: new RegExp(`"node":"${node}"`) })],
  [
    'nodes, with an unknown parameter',
    () => ({ target: '/v1/nodes?x=1', status: 400, type: 'error:BAD_FLAGS' }),
  ],
  ['tables', ({ node }) => ({ target: `/v1/nodes/${node}/tables`, status: 200, says: /"table":"orders"/ })],
  [
    'tables of an unknown node',
    () => ({ target: '/v1/nodes/nobody/tables', status: 404, type: 'error:NODE_UNKNOWN' }),
  ],
  [
    'tables of an empty node name',
    () => ({ target: '/v1/nodes/No-Body/tables', status: 400, type: 'error:BAD_FLAGS', says: /node: / }),
  ],
  [
    'health, with an unknown parameter',
    () => ({ target: '/v1/health?verbose', status: 400, type: 'error:BAD_FLAGS' }),
  ],
  ['health', () => ({ target: '/v1/health', status: 200, says: /"status":"warn"/ })],
  ['found', ({ orders }) => ({ target: `${orders}/asof?pk=1`, status: 200, says: /"total":3\.30/ })],
  [
    'found, key as an object',
    ({ orders }) => ({ target: `${orders}/asof?pk=${encodeURIComponent('{"id":1}')}`, status: 200 }),
  ],
  [
    'absent',
    ({ orders }) => ({
      target: `${orders}/asof?pk=9`,
      status: 404,
      type: 'absent:not_yet_inserted',
      says: /"status":"absent"/,
    }),
  ],
  [
    'absent, final',
    () => ({
      target: '/v1/nodes/h1/tables/public.t/asof?pk=9&at=0/5000',
      status: 404,
      type: 'absent:not_yet_inserted',
      says: /"final":true/,
    }),
  ],
  [
    'before the year 1',
    ({ orders }) => ({
      target: `${orders}/asof?pk=1&at=0000-01-01T00:00:00Z`,
      status: 409,
      type: 'unknown:before_tracking',
      says: /"requested":"0000-01-01T00:00:00Z"/,
    }),
  ],
  [
    'a change before the year 1',
    ({ orders }) => ({
      target: `${orders}/diff?pk=1&from=0001-01-01T00:00:00%2B23:59`,
      status: 200,
      says: /"from":"0001-01-01T00:00:00\+23:59"/,
    }),
  ],
  [
    'before tracking',
    ({ orders }) => ({
      target: `${orders}/asof?pk=1&at=${OLD}`,
      status: 409,
      type: 'unknown:before_tracking',
      says: /"row":null/,
    }),
  ],
  [
    'baseline pending',
    () => ({
      target: `/v1/nodes/h2/tables/public.t/asof?pk=1&at=${at('00:50')}`,
      status: 409,
      type: 'unknown:baseline_pending',
    }),
  ],
  [
    'in a gap',
    () => ({
      target: `/v1/nodes/h1/tables/public.t/asof?pk=1&at=${at('01:05')}`,
      status: 409,
      type: 'unknown:in_gap',
    }),
  ],
  [
    'expired',
    () => ({
      target: `/v1/nodes/h3/tables/public.t/asof?pk=1&at=${at('00:30')}`,
      status: 410,
      type: 'unknown:expired',
      says: /"final":true/,
    }),
  ],
  [
    'inside the window',
    () => ({ target: `/v1/nodes/h3/tables/public.t/asof?pk=1&at=${at('00:50')}`, status: 200 }),
  ],
  [
    'as-of in an unknown node',
    () => ({ target: '/v1/nodes/nobody/tables/public.t/asof?pk=1', status: 404, type: 'error:NODE_UNKNOWN' }),
  ],
  [
    'as-of in an unknown table',
    ({ node }) => ({
      target: `/v1/nodes/${node}/tables/public.none/asof?pk=1`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
    }),
  ],
  [
    'letter case counts',
    ({ node }) => ({
      target: `/v1/nodes/${node}/tables/public.Orders/asof?pk=1`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
      says: /Orders/,
    }),
  ],
  [
    'no schema',
    ({ node }) => ({
      target: `/v1/nodes/${node}/tables/orders/asof?pk=1`,
      status: 400,
      type: 'error:BAD_TABLE_NAME',
    }),
  ],
  [
    'no key',
    ({ orders }) => ({
      target: `${orders}/asof`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /pk: is missing/,
    }),
  ],
  [
    'two keys',
    ({ orders }) => ({
      target: `${orders}/asof?pk=1&pk=2`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /more than once/,
    }),
  ],
  ['unusable key', ({ orders }) => ({ target: `${orders}/asof?pk=x`, status: 400, type: 'error:BAD_KEY' })],
  [
    'unusable time',
    ({ orders }) => ({ target: `${orders}/asof?pk=1&at=yesterday`, status: 400, type: 'error:BAD_TIME' }),
  ],
  [
    'time finer than commits have',
    ({ orders }) => ({
      target: `${orders}/asof?pk=1&at=2026-01-31t09:41:00.1234567z`,
      status: 400,
      type: 'error:BAD_TIME',
      says: /six decimals at most/,
    }),
  ],
  [
    'plus sign that is not encoded',
    ({ orders }) => ({
      target: `${orders}/asof?pk=1&at=2026-01-01T00:00:00+01:00`,
      status: 400,
      type: 'error:BAD_TIME',
      says: /%2B/,
    }),
  ],
  [
    'unknown parameter',
    ({ orders }) => ({
      target: `${orders}/asof?pk=1&when=now`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /when/,
    }),
  ],
  [
    'bad encoding in the query',
    ({ orders }) => ({ target: `${orders}/asof?pk=%zz`, status: 400, type: 'error:BAD_FLAGS' }),
  ],
  [
    'bytes that are not UTF-8',
    ({ orders }) => ({ target: `${orders}/asof?pk=%ff`, status: 400, type: 'error:BAD_FLAGS' }),
  ],
  [
    'a NUL in the key',
    ({ orders }) => ({ target: `${orders}/asof?pk=%00`, status: 400, type: 'error:BAD_KEY' }),
  ],
  [
    'diff',
    ({ orders }) => ({
      target: `${orders}/diff?pk=1`,
      status: 200,
      says: /"op":"S".*"op":"U".*"op":"D".*"op":"I"/,
    }),
  ],
  [
    'diff with a gap in it',
    () => ({ target: '/v1/nodes/h1/tables/public.t/diff?pk=1', status: 200, says: /"reason" ?: ?"in_gap"/ }),
  ],
  [
    'diff, bad limit',
    ({ orders }) => ({
      target: `${orders}/diff?pk=1&limit=0`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /limit: /,
    }),
  ],
  [
    'diff, bad cursor',
    ({ orders }) => ({
      target: `${orders}/diff?pk=1&cursor=abc`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /cursor/,
    }),
  ],
  [
    'diff in an unknown table',
    ({ node }) => ({
      target: `/v1/nodes/${node}/tables/public.none/diff?pk=1`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
    }),
  ],
  [
    'a diff beyond the horizon',
    ({ orders }) => ({
      target: `${orders}/diff?pk=1&await_lsn=FFFFFFF/0&await_seconds=0`,
      status: 409,
      type: 'error:HORIZON_BEHIND',
    }),
  ],
  batch('a batch', ({ orders }) => ({ target: orders, status: 200, says: /"answers":\[\{"status":"found"/ })),
  batch('a batch at no time', ({ orders }) => ({
    target: orders,
    query: '?at=yesterday',
    status: 400,
    type: 'error:BAD_TIME',
  })),
  batch('a batch of no table', ({ node }) => ({
    target: `/v1/nodes/${node}/tables/public.nothing`,
    status: 404,
    type: 'error:TABLE_NOT_TRACKED',
  })),
  batch('a batch beyond the horizon', ({ orders }) => ({
    target: orders,
    query: '?await_lsn=FFFFFFF/0&await_seconds=0',
    status: 409,
    type: 'error:HORIZON_BEHIND',
  })),
];

function batch(
  name: string,
  make: (subject: Subject) => Case & { readonly query?: string },
): readonly [string, (subject: Subject) => Case] {
  return [
    name,
    (subject) => {
      const { target, query = '', ...wanted } = make(subject);
      return { ...wanted, target: `${target}/asof:batch${query}`, method: 'POST', body: '{"keys":[1]}' };
    },
  ];
}

/** Requests that the document does not have. */
export const OUTSIDE: readonly (readonly [string, (subject: Subject) => Case])[] = [
  ['no route', () => ({ target: '/v2/nodes', status: 404, type: 'no-such-route' })],
  ['root', () => ({ target: '/', status: 404, type: 'no-such-route' })],
  ['POST', () => ({ target: '/v1/nodes', method: 'POST', status: 405, type: 'method-not-allowed' })],
  [
    'DELETE of a row',
    ({ orders }) => ({
      target: `${orders}/asof?pk=1`,
      method: 'DELETE',
      status: 405,
      type: 'method-not-allowed',
    }),
  ],
  [
    'POST of the document',
    () => ({ target: '/openapi.json', method: 'POST', status: 405, type: 'method-not-allowed' }),
  ],
];
