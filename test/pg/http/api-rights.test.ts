/**
 * Which caller may ask about which table: by path, as in an IAM policy, and by a claim of the token. No answer is about a table
 * that is not named.
 */
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Route } from '../../../http/route.ts';
import { ROUTES } from '../../../http/routes.ts';
import { handler } from '../../../lambda/api/handler.ts';
import { apiEvent, type HttpAnswer } from '../../support/api-event.ts';
import { type ApiWays, apiWays, TOKEN } from '../../support/api-ways.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

let node: TrackedNode;
let ways: ApiWays;
/** Of a transaction that changed orders and secrets, and of one that changed only secrets; as segments of a path. */
let lsn: string;
let secretLsn: string;
/** A value of the table that no caller in these tests may read. */
const SECRET = 'do not tell';

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders VALUES (1, 'open');
      CREATE TABLE secrets (id int PRIMARY KEY, note text); INSERT INTO secrets VALUES (1, '${SECRET}');
      CREATE TABLE "Odd 50% name.x" (id int PRIMARY KEY); INSERT INTO "Odd 50% name.x" VALUES (1)`,
    track: ['orders', 'secrets', '"Odd 50% name.x"'],
  });
  // each says who it was, before each change
  const says = (user: string): string =>
    `SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user":"${user}"}')`;
  await node.source.query(`BEGIN; ${says('ann')}; UPDATE orders SET note = 'paid';
    ${says('mole')}; UPDATE secrets SET note = '${SECRET}!'; INSERT INTO secrets VALUES (2), (3); COMMIT`);
  await node.source.query(`BEGIN; ${says('mole')}; DELETE FROM secrets WHERE id > 1; COMMIT`);
  await node.source.query(`BEGIN; ${says('bob')}; UPDATE orders SET note = 'sent'; COMMIT`);
  await node.catchUp();
  const { rows } = await node.store.query<{ lsn: string }>(
    `SELECT m.lsn::text FROM pgtimewarp.lsn_time_map AS m WHERE m.xid IS NOT NULL ORDER BY m.lsn`,
  );
  [lsn, secretLsn] = rows.map((row) => row.lsn.replace('/', '-')) as [string, string];
  ways = await apiWays(node);
  await ways.handler('/v1/nodes'); // contains where the store is
});

afterEach(() => {
  delete process.env.PGTIMEWARP_TABLES_CLAIM;
});

afterAll(async () => {
  await ways?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

interface Request {
  readonly target: string;
  readonly method?: string;
  readonly body?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
}

async function ask({ target, method = 'GET', body, claims }: Request): Promise<HttpAnswer> {
  const event = apiEvent(target, method, {}, body) as { requestContext: object };
  if (claims !== undefined) {
    event.requestContext = { ...event.requestContext, authorizer: { jwt: { claims, scopes: null } } };
  }
  return (await handler(event as never, { getRemainingTimeInMillis: () => 29_000 } as never)) as HttpAnswer;
}

/** What a route cannot do without. */
function queryOf(path: string): string {
  if (path.endsWith('/find')) return '?where.id=1';
  return /(asof|diff)$/.test(path) ? '?pk=1' : '';
}

function bodyOf(path: string, table: string): string {
  if (!path.endsWith('/restore-plans')) return '{"keys": [1]}';
  return JSON.stringify({ table: decodeURIComponent(table), all: true, at: lsn.replace('-', '/') });
}

/** A request of each route, about a table. */
function requestsOf(table: string): Request[] {
  return Object.values<Route>(ROUTES).map(({ path, method, body }) => ({
    target: `${path.replace('{node}', node.node).replace('{table}', table).replace('{lsn}', lsn)}${queryOf(path)}`,
    ...(method === undefined ? {} : { method }),
    ...(body === undefined ? {} : { body: bodyOf(path, table) }),
  }));
}

describe('by path', () => {
  const API = 'arn:aws:execute-api:eu-central-1:123456789012:abc/$default';
  /** Compares like IAM compares a resource of a policy (IAM User Guide, "Resource element"): `*` is any characters, `?` is one. */
  const matches = (pattern: string, arn: string): boolean =>
    new RegExp(
      `^${pattern
        .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
      's',
    ).test(arn);

  test('a policy for one table allows questions about it, and none that returns another table', async () => {
    const policy = `${API}/*/v1/nodes/${node.node}/tables/public.orders/*`;
    const allows = ({ target, method = 'GET' }: Request): boolean => {
      const [path = ''] = target.split('?');
      const forms = [path, decodeURIComponent(path)]; // it is not known which of them IAM compares
      return forms.some((form) => matches(policy, `${API}/${method}${form}`));
    };
    const own = requestsOf('public.orders').filter(({ target }) => target.includes('/tables/public.'));
    expect(own).toHaveLength(
      Object.values<Route>(ROUTES).filter(({ pathParameters }) => 'table' in pathParameters).length,
    );
    for (const request of own) {
      expect(allows(request)).toBe(true);
      expect(await ask(request)).toMatchObject({ statusCode: 200 });
    }
    const others = requestsOf('public.secrets').filter(({ target }) => target.includes('secrets'));
    for (const request of others) expect(allows(request)).toBe(false);

    const table = `/v1/nodes/${node.node}/tables/public.orders`;
    const detours = ['..', '%2e%2e', '.%2E', '..%2F..%2Ftables', '../..', '%2E/%2e%2e', '..%5C..%5Ctables'];
    const hostile = [
      ...detours.flatMap((detour) => [
        `${table}/${detour}/public.secrets/asof?pk=1`,
        `${table}%2F${detour}%2Fpublic.secrets%2Fasof?pk=1`,
        `${table}/asof/${detour}/${detour}/public.secrets/diff?pk=1`,
      ]),
      `${table}//public.secrets/asof?pk=1`,
      `${table}/asof;/../../public.secrets/asof?pk=1`,
      `${table}/asof%00/../../public.secrets/asof?pk=1`,
      `${table}/asof%3F/../../public.secrets/asof?pk=1`,
    ];
    let allowed = 0;
    for (const target of hostile) {
      if (!allows({ target })) continue;
      allowed++;
      const answer = await ask({ target });
      expect(answer.statusCode, target).toBeGreaterThanOrEqual(400);
      expect(answer.body, target).not.toContain(SECRET);
    }
    expect(allowed).toBeGreaterThan(15);
  });

  test('serve does not resolve paths, so a proxy cannot let through a path of another table', async () => {
    const { hostname, port } = new URL(ways.server.url);
    for (const detour of ['..', '%2e%2e', '..\\', '.%2E']) {
      const path = `/v1/nodes/${node.node}/tables/public.orders/${detour}/public.secrets/asof?pk=1`;
      const text = await new Promise<string>((resolve, reject) => {
        let seen = '';
        const socket = connect(Number(port), hostname).on('error', reject);
        socket.setEncoding('utf8').on('data', (data) => {
          seen += data;
        });
        socket.on('close', () => resolve(seen));
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`,
        );
      });
      expect(text, path).toMatch(/^HTTP\/1\.1 400 .*problem\+json.*urn:pgtimewarp:/s);
      expect(text).not.toContain(SECRET);
    }
  });
});

describe('by a claim', () => {
  const claimed = (tables: unknown, request: Request): Promise<HttpAnswer> => {
    process.env.PGTIMEWARP_TABLES_CLAIM = 'tables';
    return ask({ ...request, claims: tables === undefined ? {} : { tables } });
  };
  const statuses = (tables: unknown, table: string): Promise<number[]> =>
    Promise.all(requestsOf(table).map(async (each) => (await claimed(tables, each)).statusCode));
  const lists = Object.values<Route>(ROUTES).filter(({ pathParameters }) => !('table' in pathParameters));

  test('without a claim in the configuration every caller may ask', async () => {
    for (const request of requestsOf('public.secrets')) expect((await ask(request)).statusCode).toBe(200);
  });

  test('a caller without the claim, or with an empty one, sees no node and no table', async () => {
    for (const tables of [undefined, '', '[]', 7, null, {}, 'nothing/public.orders']) {
      for (const request of requestsOf('public.orders')) {
        const { statusCode, headers, body } = await claimed(tables, request);
        if (request.target.includes(node.node)) {
          expect(statusCode, `${JSON.stringify(tables)} ${request.target}`).toBe(403);
          expect(headers['content-type']).toBe('application/problem+json');
          expect(JSON.parse(body)).toMatchObject({ type: 'urn:pgtimewarp:forbidden', status: 403 });
        } else {
          expect(statusCode).toBe(200);
          expect(body).not.toContain(node.node);
        }
      }
    }
  });

  test('a caller with a table gets answers about it only, on every route', async () => {
    const forms = (word: string) => [word, `other ${word}`, `[other ${word}]`, [word], `a,${word}`];
    for (const tables of forms(`${node.node}/public.orders`)) {
      expect(new Set(await statuses(tables, 'public.orders'))).toEqual(new Set([200]));
      for (const table of ['public.secrets', 'public."secrets"', 'public.%22secrets%22']) {
        for (const request of requestsOf(table)) {
          const { statusCode, body } = await claimed(tables, request);
          if (`${request.target} ${request.body}`.includes('secrets'))
            expect(statusCode, request.target).toBe(403);
          expect(body).not.toContain('secrets');
          expect(body).not.toContain(SECRET);
        }
      }
      const { body } = await claimed(tables, { target: `/v1/nodes/${node.node}/tables` });
      expect((JSON.parse(body) as { tables: { table: string }[] }).tables.map((each) => each.table)).toEqual([
        'orders',
      ]);
    }
  });

  test('another spelling of the table is the same table', async () => {
    const claim = `${node.node}/public.orders`;
    expect(await statuses(claim, 'public.%22orders%22')).not.toContain(403);
    const odd = `${node.node}/${encodeURIComponent('public."Odd 50% name.x"')}`;
    const [request] = requestsOf(encodeURIComponent('public."Odd 50% name.x"')).filter(({ target }) =>
      target.includes('asof?'),
    );
    expect((await claimed(odd, request!)).statusCode).toBe(200);
    expect((await claimed(claim, request!)).statusCode).toBe(403);
  });

  test('a caller with the node, or with everything, gets answers about all its tables', async () => {
    for (const tables of [node.node, '*', `[x ${node.node}]`]) {
      for (const table of ['public.orders', 'public.secrets']) {
        expect(new Set(await statuses(tables, table))).toEqual(new Set([200]));
      }
    }
  });

  test('an untracked table gets the same refusal as a tracked one', async () => {
    const target = `/v1/nodes/${node.node}/tables/public.nothing_there/asof?pk=1`;
    expect((await claimed(`${node.node}/public.orders`, { target })).statusCode).toBe(403);
    expect((await claimed(node.node, { target })).statusCode).toBe(404);
  });

  test('a caller with one table of a node does not see answers about the whole node', async () => {
    await node.store.query(
      `UPDATE pgtimewarp.nodes SET status_reason = 'about public.secrets' WHERE node_id = $1`,
      [node.node],
    );
    for (const { path } of lists) {
      const { body } = await claimed(`${node.node}/public.orders`, {
        target: path.replace('{node}', node.node),
      });
      expect(body, path).not.toContain('secrets');
    }
    expect((await claimed(node.node, { target: '/v1/nodes' })).body).toContain('about public.secrets');
  });

  describe('transactions', () => {
    interface Told {
      readonly transactions: {
        readonly context: unknown;
        readonly rows: number;
        readonly tables: { readonly table: string }[];
      }[];
      readonly changes: { readonly table: string }[];
      readonly rows: number;
      readonly context: unknown;
    }
    const told = async (tables: string, target: string): Promise<Told> => {
      const { statusCode, body } = await claimed(tables, { target: `/v1/nodes/${node.node}/${target}` });
      expect(statusCode, body).toBe(200);
      return JSON.parse(body) as Told;
    };
    const users = async (tables: string, query = ''): Promise<unknown[]> =>
      (await told(tables, `transactions${query}`)).transactions.map(
        ({ context }) => (context as { user: string } | null)?.user,
      );

    test('who has one table is told what they did to it, and what was said about that', async () => {
      const own = `${node.node}/public.orders`;
      expect(await users(own)).toEqual(['bob', 'ann']);
      const { transactions } = await told(own, 'transactions');
      expect(transactions.map(({ rows }) => rows)).toEqual([1, 1]);
      expect(transactions.flatMap(({ tables }) => tables.map(({ table }) => table))).toEqual([
        'orders',
        'orders',
      ]);
      const one = await told(own, `transactions/${lsn}`);
      expect(one).toMatchObject({ rows: 1, context: { user: 'ann' }, changes: [{ table: 'orders' }] });
      expect(one.changes).toHaveLength(1);
      expect(await users(node.node)).toEqual(['bob', 'mole', 'mole']);
      expect((await told(node.node, `transactions/${lsn}`)).changes).toHaveLength(4);
    });

    test('no filter shows whether there is something else', async () => {
      const own = `${node.node}/public.orders`;
      for (const [query, all] of [
        ['?min_rows=2', 2],
        ['?by.user=mole', 2],
        ['?op=I', 1],
        ['?op=D', 1],
      ] as const) {
        expect(await users(own, query), query).toEqual([]);
        expect(await users(node.node, query), query).toHaveLength(all);
      }
      expect(await users(`${node.node}/public.secrets`, '?by.user=ann')).toEqual([]);
      const page = (await told(own, 'transactions?limit=1')) as Told & { readonly next: string };
      expect(await users(own, `?limit=1&cursor=${page.next}`)).toEqual(['ann']);
    });

    test('activity counts what was done to them alone', async () => {
      const counts = async (tables: string): Promise<unknown> => {
        const { buckets } = (await told(tables, 'activity?buckets=1')) as Told & {
          readonly buckets: unknown[];
        };
        return buckets[0];
      };
      expect(await counts(`${node.node}/public.orders`)).toMatchObject({
        commits: 2,
        updates: 2,
        inserts: 0,
        largest: 1,
      });
      expect(await counts(node.node)).toMatchObject({
        commits: 3,
        updates: 3,
        inserts: 2,
        deletes: 2,
        largest: 4,
      });
    });

    test('one that touched only other tables is as unknown as none at all', async () => {
      const ask = async (place: string): Promise<object> => {
        const { statusCode, body } = await claimed(`${node.node}/public.orders`, {
          target: `/v1/nodes/${node.node}/transactions/${place}`,
        });
        return { statusCode, body: body.replace(place.replace('-', '/'), '') };
      };
      expect(await ask(secretLsn)).toEqual(await ask('0-7'));
      expect(await ask('0-7')).toMatchObject({ statusCode: 404 });
      const other = await claimed(`${node.node}/public.orders`, {
        target: `/v1/nodes/${node.node}/transactions?table=public.secrets`,
      });
      expect(other.statusCode).toBe(403);
    });

    test('an answer that depends on the rights of the caller is in no cache', async () => {
      const caching = async (tables: string, target: string): Promise<string | undefined> =>
        (await claimed(tables, { target: `/v1/nodes/${node.node}/${target}` })).headers['cache-control'];
      for (const target of [
        `transactions/${lsn}`,
        `transactions?to=${encodeURIComponent(lsn.replace('-', '/'))}`,
        `activity?from=0/1&to=${encodeURIComponent(lsn.replace('-', '/'))}`,
      ]) {
        expect(await caching(`${node.node}/public.orders`, target)).toBe('no-store');
        expect(await caching(node.node, target)).toBe('private, max-age=300');
      }
    });
  });

  test('every caller may read the document of the API, and it names the refusal', async () => {
    const { statusCode, body } = await claimed(undefined, { target: '/openapi.json' });
    expect(statusCode).toBe(200);
    const { paths } = JSON.parse(body) as { paths: Record<string, Record<string, { responses: object }>> };
    for (const [path, operations] of Object.entries(paths)) {
      for (const { responses } of Object.values(operations)) {
        expect('403' in responses, path).toBe(path.includes('{node}'));
      }
    }
  });
});
