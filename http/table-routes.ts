/**
 * The route of whole tables: a page of JSON under 5 MB, or every row as NDJSON from a server that streams. Rows are complete, or the
 * answer is a problem; a stream that cannot go on is broken off, so that no client takes it for the whole.
 */
import type { Context } from 'hono';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { NOW } from '../core/query/instant.ts';
import { askTablePage, type TablePageAnswer } from '../core/query/table-page.ts';
import type { RowOrder, TableRequest } from '../core/query/table-rows.ts';
import { Problem } from '../documents/problem.ts';
import { rowObjectText, TableRows, tablePageText } from '../documents/table-rows.ts';
import { carriedBytes, MAX_CARRIED_BYTES } from './carried-bytes.ts';
import { cacheHeaders } from './entity-tag.ts';
import { RowsQuery } from './history-schemas.ts';
import { HTTP } from './http-status.ts';
import { readInstant, readQuery, readTable, rowValues } from './request-input.ts';
import { keepable, type Numbers, shown, tooLarge } from './responses.ts';
import { define, FAILURES, ONE_TABLE } from './route.ts';
import type { Service } from './service.ts';
import { streamRows } from './stream-rows.ts';

export const TABLE_ROUTES = define({
  rows: {
    operationId: 'listRows',
    path: '/v1/nodes/{node}/tables/{table}/rows',
    summary: 'All rows of a table as they were at an instant (default: now)',
    pathParameters: ONE_TABLE,
    query: RowsQuery,
    responses: {
      [HTTP.ok]: [TableRows],
      [HTTP.notModified]: null,
      ...FAILURES,
      [HTTP.notFound]: [Problem],
      [HTTP.unknown]: [Problem],
      [HTTP.gone]: [Problem],
      [HTTP.tooLarge]: [Problem],
    },
    keepable: true,
    answer: async (context, service) => {
      const query = readQuery(context, RowsQuery);
      const { columns } = query;
      const order = rowOrder(query);
      const where = rowValues(query);
      const request = {
        ...readTable(context),
        ...(where === undefined ? {} : { where }),
        columns: columns ?? null,
        order,
        at: readInstant(query.at),
        readArchive: service.readArchive,
      };
      if (wantsStream(context)) {
        refusePageOf(query);
        return await streamed(context, service, { request: { ...request, at: request.at ?? NOW }, query });
      }
      const page = await service.ask({ context, node: request.node, query }, (store) =>
        askTablePage(store, { ...request, limit: query.limit, cursor: query.cursor ?? null }),
      );
      return answerPage(context, page, query);
    },
  },
});

type Query = ReturnType<typeof RowsQuery.parse>;

const NDJSON = 'application/x-ndjson';

function wantsStream(context: Context): boolean {
  const accepted = (context.req.header('accept') ?? '').toLowerCase().split(',');
  return context.req.method === 'GET' && accepted.some(isStream);
}

/** Whether a range of an Accept header is NDJSON; with `q=0` it is what the client does not take. */
function isStream(range: string): boolean {
  const [type, ...parameters] = range.split(';').map((part) => part.trim());
  return type === NDJSON && !parameters.some((each) => /^q=0(\.0*)?$/.test(each));
}

function refusePageOf({ cursor, order }: Query): void {
  if (cursor !== undefined)
    throw new TimewarpError('BAD_FLAGS', 'A stream has all rows: it does not begin at a cursor.', {
      remedy: 'Leave out cursor, or ask for JSON.',
    });
  if (order === undefined) return;
  throw new TimewarpError('BAD_FLAGS', 'A stream has the order of the texts of keys, and no other.', {
    remedy: 'Leave out order, or ask for JSON.',
  });
}

function rowOrder({ order, descending }: Query): RowOrder | null {
  if (order !== undefined) return { columns: order, descending: descending === 'true' };
  if (descending === 'false') return null;
  throw new TimewarpError('BAD_FLAGS', 'descending goes with order.', {
    remedy: 'Name the columns: order=total&descending=true.',
  });
}

async function streamed(
  context: Context,
  service: Service,
  { request, query }: { readonly request: TableRequest; readonly query: Query },
): Promise<Response> {
  if (!service.streams)
    throw new TimewarpError('BAD_FLAGS', 'This server does not stream.', {
      remedy: 'Ask for JSON page by page, or ask `pgtimewarp serve`.',
    });
  await service.ask({ context, node: request.node, query }, async () => {}); // waits for --await-lsn
  return await streamRows(service.withStore, request, {
    type: NDJSON,
    line: (table, row) => shown(rowObjectText(table, row), query.numbers),
  });
}

/** The rows that fit; a single one that does not is a problem. */
function answerPage(context: Context, page: TablePageAnswer, { at, numbers }: Query): Response {
  const texts = rowsThatFit(page, numbers);
  if (texts.length === 0 && page.rows.length > 0)
    return tooLarge(
      'A row does not fit into a response.',
      'Ask for fewer columns, or with `pgtimewarp asof --all`.',
    );
  const key = texts.length === page.rows.length ? page.next : page.rows[texts.length - 1]!.key;
  const next = key === null ? null : page.cursorAfter(key);
  const textOf = (table: TablePageAnswer['table']): string =>
    tablePageText({ table, requested: page.requested, texts, isAssumed: page.isAssumed, next });
  const headers = cacheHeaders(page.table.final && at !== undefined, () =>
    textOf({ ...page.table, horizon: null }),
  );
  return keepable(context, textOf(page.table), headers);
}

/** Room for everything of a page but its rows: names of columns, a cursor. */
const HEAD_BYTES = 200_000;

function rowsThatFit({ table, rows }: TablePageAnswer, numbers: Numbers): string[] {
  const texts: string[] = [];
  let room = MAX_CARRIED_BYTES - HEAD_BYTES;
  for (const row of rows) {
    const text = shown(rowObjectText(table, row), numbers);
    room -= carriedBytes(text) + 1;
    if (room < 0) break;
    texts.push(text);
  }
  return texts;
}
