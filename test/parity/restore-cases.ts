/** Requests for restore plans and their answers. */
import { formatLsn, type Lsn, parseLsn } from '../../core/types/lsn.ts';
import type { Case, Subject } from './http-cases.ts';

type Make = readonly [string, (subject: Subject) => Case];

const EVERY = String.raw`\{"id":"[0-9a-f-]{36}","applied":false,"lsn":null,"of":`;

function plan(
  name: string,
  body: string | ((subject: Subject) => object),
  wanted: Omit<Case, 'target'> & { readonly query?: string; readonly node?: string },
): Make {
  return [
    name,
    (subject) => {
      const { query = '', node = subject.node, ...seen } = wanted;
      const text = typeof body === 'string' ? body : JSON.stringify(body(subject));
      return { ...seen, target: `/v1/nodes/${node}/restore-plans${query}`, method: 'POST', body: text };
    },
  ];
}

const OLD = '2020-01-01T00:00:00Z';
/** The position before a commit. @param lsn as a segment */
const before = (lsn: string): string => formatLsn((parseLsn(lsn.replace('-', '/')) - 1n) as Lsn);
const undo = ({ lsn }: Subject): object => ({ transactions: [lsn.replace('-', '/')] });
const bad = (says: RegExp) => ({ status: 400, type: 'error:BAD_FLAGS', says }) as const;

export const RESTORE_CASES: readonly Make[] = [
  plan('a plan that undoes a transaction', undo, {
    status: 200,
    says: new RegExp(
      `^${EVERY}\\["[0-9A-F/]+"\\],"taken_along":\\[\\],"as_of":null,"source_asked":false,"tables":\\[\\{"schema":"public","table":"orders","inserts":0,"updates":1,"deletes":0\\}\\].*COMMIT`,
    ),
  }),
  plan('a plan of what somebody did', ({ lsn }) => ({ by: { 'user.id': '7' }, from: before(lsn) }), {
    status: 200,
    says: /"updates":1/,
  }),
  plan('a plan that takes later transactions along', (subject) => ({ ...undo(subject), cascade: true }), {
    status: 200,
    says: /"notes":\[.*Rows that refer to rows to be deleted were not looked for/,
  }),
  plan('a plan of what somebody did before tracking', () => ({ by: { user: 'x' }, from: OLD }), {
    status: 409,
    type: 'error:ROWS_UNKNOWN',
  }),
  plan(
    'a plan of a row, without triggers and conflicts',
    ({ lsn }) => ({
      ...{ table: 'public.orders', pk: { id: 1 }, at: lsn.replace('-', '/') },
      ...{ skip_conflicts: true, no_triggers: true, defaults: true, max_rows: 3, lock_timeout_seconds: 2 },
    }),
    { status: 200, says: /"tables":\[\],"conflicts":\[\],"refused":\[\],"notes":\[.*\],"sql":null\}$/ },
  ),
  plan(
    'a plan of rows with a value',
    ({ lsn }) => ({ table: 'public.orders', where: { total: null }, at: lsn.replace('-', '/') }),
    { status: 200, says: /"as_of":"[0-9A-F/]+"/ },
  ),
  plan('a plan of too many rows', (subject) => ({ ...undo(subject), max_rows: 1 }), bad(/More than 1 rows/)),
  plan(
    'a plan of a table at an expired time',
    '{"table":"public.t","all":true,"at":"2026-01-01T00:00:30Z"}',
    {
      node: 'h3',
      status: 410,
      type: 'error:ROWS_UNKNOWN',
    },
  ),
  plan('a plan through a gap', '{"table":"public.t","all":true,"at":"2026-01-01T00:00:30Z"}', {
    node: 'h1',
    status: 409,
    type: 'error:ROWS_UNKNOWN',
  }),
  plan('a plan of no transaction', '{"transactions":["0/1"]}', { status: 409, type: 'error:ROWS_UNKNOWN' }),
  plan('a plan of no node', '{"transactions":["0/1"]}', {
    node: 'nobody',
    status: 404,
    type: 'error:NODE_UNKNOWN',
  }),
  plan('a plan of no table', '{"table":"public.none","all":true,"at":"0/1"}', {
    status: 404,
    type: 'error:TABLE_NOT_TRACKED',
  }),
  plan('a plan beyond the horizon', undo, {
    query: '?await_lsn=FFFFFFF/0&await_seconds=0',
    status: 409,
    type: 'error:HORIZON_BEHIND',
  }),
  plan('a plan that is too large to ask for', `{"transactions":["${'1'.repeat(300_000)}"]}`, {
    status: 413,
    type: 'too-large',
  }),
  ...(
    [
      ['{"transactions":["0/1"]', /not JSON/],
      ['[]', /says in one way/],
      ['{}', /says in one way/],
      ['null', /says in one way/],
      ['{"transactions":["0/1"],"all":true}', /says in one way/],
      ['{"transactions":[]}', /transactions: /],
      ['{"transactions":["0-1"]}', /transactions\.0: must be a commit LSN/],
      ['{"transactions":["0/1"],"apply":true}', /apply/],
      ['{"transactions":["0/1"],"max_rows":10001}', /max_rows: /],
      ['{"transactions":["0/1"],"max_rows":"5"}', /max_rows: /],
      ['{"transactions":["0/1"],"skip_conflicts":"yes"}', /skip_conflicts: /],
      ['{"by":{},"from":"0/1"}', /a name and a value are missing/i],
      ['{"by":{"user":"ann"}}', /from: is missing/],
      ['{"by":{"user":"a\\u0000"},"from":"0/1"}', /U\+0000/],
      ['{"table":"public.orders","at":"0/1","where":{"__proto__":"1"}}', /__proto__/],
      ['{"table":"public.orders","at":"0/1","where":{"id":1}}', /where\.id: /],
      ['{"table":"public.orders","all":true}', /at: is missing/],
      ['{"table":"public.orders","at":"0/1","all":false}', /all: /],
      ['{"table":"public.orders","at":"0/1","all":true,"cascade":true}', /cascade/],
      ['{"pk":1}', /table: is missing/],
      ['{"table":"public.orders","at":"0/1","pk":null}', /pk: is missing/],
    ] as const
  ).map(([body, says]) => plan(`no plan: ${body.slice(0, 60)}`, body, bad(says))),
  plan('a plan at no time', '{"table":"public.orders","at":"yesterday","all":true}', {
    status: 400,
    type: 'error:BAD_TIME',
  }),
  plan('a plan of a table without schema', '{"table":"orders","at":"0/1","all":true}', {
    status: 400,
    type: 'error:BAD_TABLE_NAME',
  }),
];
