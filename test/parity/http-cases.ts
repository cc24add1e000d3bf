/** Requests over HTTP and their answers, as one table for every way to reach the API. */

import { RESTORE_CASES } from './restore-cases.ts';

/** A tracked node with a row 1 in `orders`. Other nodes: h1 has a gap, h2 a pending baseline, h3 a window from commit 40. */
export interface Subject {
  readonly node: string;
  /** The path of the table. */
  readonly orders: string;
  /** The commit LSN of its last transaction, as a segment: an insert by ann, after an update and a delete of the same row. */
  readonly lsn: string;
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

const refused = (target: string, says: RegExp): Case => ({
  target,
  status: 400,
  type: 'error:BAD_FLAGS',
  says,
});

/** Questions about many rows. */
const HISTORY_CASES: readonly (readonly [string, (subject: Subject) => Case])[] = [
  [
    'transactions, newest first',
    ({ node }) => ({
      target: `/v1/nodes/${node}/transactions`,
      status: 200,
      says: /"context":\{"user":\{"id":7\}\},"tables":\[\{.*"inserts" : 1.*"deletes" : 1.*"final":.*"unknown":.*"next":null\}$/s,
    }),
  ],
  [
    'transactions with every filter',
    ({ node }) => ({
      target: `/v1/nodes/${node}/transactions?from=${OLD}&table=public.orders&by.user.id=7&op=I,D&min_rows=2&limit=5`,
      status: 200,
      says: /^\{"transactions":\[\{"lsn"/,
    }),
  ],
  [
    'transactions by nobody',
    ({ node }) => ({
      target: `/v1/nodes/${node}/transactions?by.user.id=8`,
      status: 200,
      says: /^\{"transactions":\[\],/,
    }),
  ],
  [
    'transactions of no node',
    () => ({ target: '/v1/nodes/nobody/transactions', status: 404, type: 'error:NODE_UNKNOWN' }),
  ],
  [
    'transactions of no table',
    ({ node }) => ({
      target: `/v1/nodes/${node}/transactions?table=public.none`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
    }),
  ],
  ['transactions by xid', ({ node }) => ({ target: `/v1/nodes/${node}/transactions?xid=1`, status: 200 })],
  ...(
    [
      ['op=S', /op: must be some of I,U,D,T/],
      ['op=I,', /op: /],
      ['xid=18446744073709551616', /xid: must be the number/],
      ['xid=0', /xid: /],
      ['min_rows=0', /min_rows: /],
      ['by=user', /by: is written by\.NAME=VALUE/],
      ['by.=7', /by: a name is missing/],
      ['by.user=%00', /by: must not have U\+0000/],
      ['by.a=1&by.a=2', /more than once/],
      ['where.id=1', /where\.id/],
      ['by.__proto__=1&cursor=x', /Not a cursor/],
    ] as const
  ).map(
    ([query, says]) =>
      [
        `transactions?${query}`,
        ({ node }: Subject) => refused(`/v1/nodes/${node}/transactions?${query}`, says),
      ] as const,
  ),
  [
    'transactions beyond the horizon',
    ({ node }) => ({
      target: `/v1/nodes/${node}/transactions?await_lsn=FFFFFFF/0&await_seconds=0`,
      status: 409,
      type: 'error:HORIZON_BEHIND',
    }),
  ],
  [
    'activity',
    ({ node }) => ({
      target: `/v1/nodes/${node}/activity`,
      status: 200,
      says: /^\{"buckets":\[\{"from":"[^"]+","to":"[^"]+","commits":\d.*"final":.*"unknown":\[.*\]\}$/s,
    }),
  ],
  [
    'activity between two instants, in one interval',
    ({ node, lsn }) => ({
      target: `/v1/nodes/${node}/activity?from=${OLD}&to=${lsn.replace('-', '/')}&buckets=1`,
      status: 200,
      says: /"commits":2,"inserts":1,"updates":1,"deletes":1,"truncates":0,"largest":2\}\],"from":"2020.*"before_tracking"/s,
    }),
  ],
  [
    'activity of no node',
    () => ({ target: '/v1/nodes/nobody/activity', status: 404, type: 'error:NODE_UNKNOWN' }),
  ],
  [
    'activity beyond the horizon',
    ({ node }) => ({
      target: `/v1/nodes/${node}/activity?await_lsn=FFFFFFF/0&await_seconds=0`,
      status: 409,
      type: 'error:HORIZON_BEHIND',
    }),
  ],
  ...(
    [
      ['buckets=0', /buckets: /],
      ['buckets=501', /buckets: /],
      ['buckets=1e2', /buckets: must be a whole number/],
      ['limit=1', /limit/],
      ['numbers=text', /numbers/],
      ['from=yesterday', /yesterday/],
    ] as const
  ).map(
    ([query, says]) =>
      [
        `activity?${query}`,
        ({ node }: Subject) =>
          query.startsWith('from')
            ? { target: `/v1/nodes/${node}/activity?${query}`, status: 400, type: 'error:BAD_TIME', says }
            : refused(`/v1/nodes/${node}/activity?${query}`, says),
      ] as const,
  ),
  [
    'a transaction',
    ({ node, lsn }) => ({
      target: `/v1/nodes/${node}/transactions/${lsn}`,
      status: 200,
      says: /"changes":\[\{"schema":"public","table":"orders","pk":\{"id" ?: ?"1"\},"op":"D".*"op":"I","before":null/s,
    }),
  ],
  [
    'no transaction',
    ({ node }) => ({
      target: `/v1/nodes/${node}/transactions/0-1`,
      status: 404,
      type: 'error:TRANSACTION_UNKNOWN',
    }),
  ],
  [
    'a transaction, its LSN with a slash',
    ({ node }) => ({
      target: `/v1/nodes/${node}/transactions/01`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /hyphen/,
    }),
  ],
  [
    'a transaction beyond the horizon',
    ({ node, lsn }) => ({
      target: `/v1/nodes/${node}/transactions/${lsn}?await_lsn=FFFFFFF/0&await_seconds=0`,
      status: 409,
      type: 'error:HORIZON_BEHIND',
    }),
  ],
  [
    'changes',
    ({ orders }) => ({ target: `${orders}/changes`, status: 200, says: /"op":"U".*"op":"D".*"op":"I"/s }),
  ],
  [
    'changes with every filter',
    ({ orders }) => ({
      target: `${orders}/changes?where.total=2.2&where.id=1&changed=total&op=U&from=${OLD}`,
      status: 200,
      says: /^\{"changes":\[\{"pk":\{"id" ?: ?"1"\},"op":"U".*"changed":\{"total":\{"from":1\.10,"to":2\.20\}\}/,
    }),
  ],
  [
    'net changes',
    ({ orders }) => ({
      target: `${orders}/changes?net=true&by.user.id=7`,
      status: 200,
      says: /^\{"changes":\[\{"pk":\{"id" ?: ?"1"\},"op":"U".*"after":\{"id":1,"total":3\.30\}/,
    }),
  ],
  [
    'changes with a gap',
    () => ({ target: '/v1/nodes/h1/tables/public.t/changes', status: 200, says: /"reason" ?: ?"in_gap"/ }),
  ],
  ...(
    [
      ['where.none=1', /has no column none/],
      ['where.id=x', /cannot have this value/],
      ['where.__proto__=1', /has no column __proto__/],
      ['changed=none', /has no column none/],
      ['changed=a,,b', /changed: /],
      ['net=yes', /net: /],
      ['net=true&op=T', /Net changes have no operation T/],
      ['op=X', /op: /],
      ['cursor=x', /Not a cursor/],
      ['min_rows=1', /min_rows/],
    ] as const
  ).map(
    ([query, says]) =>
      [`changes?${query}`, ({ orders }: Subject) => refused(`${orders}/changes?${query}`, says)] as const,
  ),
  [
    'changes of no table',
    ({ node }) => ({
      target: `/v1/nodes/${node}/tables/public.none/changes`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
    }),
  ],
  [
    'changes beyond the horizon',
    ({ orders }) => ({
      target: `${orders}/changes?await_lsn=FFFFFFF/0&await_seconds=0`,
      status: 409,
      type: 'error:HORIZON_BEHIND',
    }),
  ],
  [
    'find, now',
    ({ orders }) => ({
      target: `${orders}/find?where.total=3.3`,
      status: 200,
      says: /^\{"rows":\[\{"pk":\{"id" ?: ?"1"\},"valid_from":\{.*"valid_to":null,"row":\{"id":1,"total":3\.30\}\}\]/,
    }),
  ],
  [
    'find, in an interval',
    ({ orders }) => ({
      target: `${orders}/find?where.id=1&from=${OLD}`,
      status: 200,
      says: /"total":1\.10.*"total":2\.20.*"reason" ?: ?"before_tracking"/s,
    }),
  ],
  [
    'find, where not every row is known',
    ({ orders }) => ({
      target: `${orders}/find?where.id=1&at=${OLD}`,
      status: 200,
      says: /^\{"rows":\[\].*"before_tracking"/s,
    }),
  ],
  ['find without a value', ({ orders }) => refused(`${orders}/find`, /does not say what the rows must have/)],
  [
    'find at an instant in an interval',
    ({ orders }) => refused(`${orders}/find?where.id=1&at=${OLD}&to=${OLD}`, /one instant/),
  ],
  [
    'find in no table',
    ({ node }) => ({
      target: `/v1/nodes/${node}/tables/public.none/find?where.id=1`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
    }),
  ],
  [
    'find beyond the horizon',
    ({ orders }) => ({
      target: `${orders}/find?where.id=1&await_lsn=FFFFFFF/0&await_seconds=0`,
      status: 409,
      type: 'error:HORIZON_BEHIND',
    }),
  ],
];

/** Whole tables. */
const TABLE_CASES: readonly (readonly [string, (subject: Subject) => Case])[] = [
  [
    'rows, now',
    ({ orders }) => ({
      target: `${orders}/rows`,
      status: 200,
      says: /"columns":\["id","total"\],"rows":\[\{"id":1,"total":3\.30\}\],"next":null\}$/,
    }),
  ],
  [
    'rows with everything',
    ({ orders }) => ({
      target: `${orders}/rows?where.total=3.3&columns=total&limit=1&numbers=text`,
      status: 200,
      says: /"rows":\[\{"total":"3\.30"\}\],"next":"[\w-]+"\}$/,
    }),
  ],
  [
    'rows then',
    () => ({ target: '/v1/nodes/h1/tables/public.t/rows?at=0/5000', status: 200, says: /"final":true/ }),
  ],
  [
    'rows in the order of a column',
    ({ orders }) => ({
      target: `${orders}/rows?order=total,id&descending=true`,
      status: 200,
      says: /"rows":\[\{"id":1,"total":3\.30\}\],"next":null\}$/,
    }),
  ],
  [
    'rows in the order of their key',
    () => ({
      target: '/v1/nodes/h1/tables/public.t/rows?at=0/5000&order=id',
      status: 200,
      says: /"final":true/,
    }),
  ],
  [
    'rows in no order, backwards',
    ({ orders }) => refused(`${orders}/rows?descending=true`, /goes with order/),
  ],
  ['rows in an order of no column', ({ orders }) => refused(`${orders}/rows?order=none`, /no column none/)],
  ['rows in an order of no name', ({ orders }) => refused(`${orders}/rows?order=id,`, /order: /)],
  ['rows without such a column', ({ orders }) => refused(`${orders}/rows?columns=none`, /no column none/)],
  ['rows from another cursor', ({ orders }) => refused(`${orders}/rows?cursor=x`, /cursor/)],
  [
    'rows of no table',
    ({ node }) => ({
      target: `/v1/nodes/${node}/tables/public.none/rows`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
    }),
  ],
  [
    'rows in a gap',
    () => ({
      target: '/v1/nodes/h1/tables/public.t/rows?at=0/4100',
      status: 409,
      type: 'error:ROWS_UNKNOWN',
      says: /gap/,
    }),
  ],
  [
    'rows that have expired',
    () => ({
      target: `/v1/nodes/h3/tables/public.t/rows?at=${at('00:25')}`,
      status: 410,
      type: 'error:ROWS_UNKNOWN',
    }),
  ],
];

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
  ...HISTORY_CASES,
  ...TABLE_CASES,
  ...RESTORE_CASES,
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
