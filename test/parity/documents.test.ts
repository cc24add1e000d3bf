/** The command line, `serve` and the function behind API Gateway return the same document for the same question. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_WAYS, type ApiWay, type ApiWays, apiWays } from '../support/api-ways.ts';
import { runCli } from '../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

type Json = Readonly<Record<string, unknown>>;

let node: TrackedNode;
let asked: ApiWays;

/** `serve` makes a run when it starts, which moves the horizon: documents are compared after the horizon has stopped. */
const SETTLED = { timeout: 60_000 };

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE orders (id int PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 1.10);
             CREATE TABLE "v1.notes" (id int PRIMARY KEY, note text, doc json)`,
    track: ['orders', '"v1.notes"'],
  });
  await node.source.query('UPDATE orders SET total = 12345678901234567890.10');
  await node.catchUp();
  await node.store.query(
    `INSERT INTO pgtimewarp.history_gaps (node_id, relation_id, from_lsn, from_ts, reason)
     SELECT c.node_id, r.relation_id, c.applied_lsn, c.applied_ts, 'test'
       FROM pgtimewarp.wal_checkpoints AS c JOIN pgtimewarp.tracked_relations AS r USING (node_id)
      WHERE r.table_name = 'v1.notes'`,
  );
  asked = await apiWays(node);
});

afterAll(async () => {
  await asked?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

const printed = async (...args: string[]): Promise<string> =>
  (await runCli([...args, '--json'], { env: node.env })).stdout.trim();
const answered = async (way: ApiWay, target: string): Promise<string> => (await asked[way](target)).body;
const only = (document: Json, names: readonly string[]): Json =>
  Object.fromEntries(names.map((name) => [name, document[name]]));

interface Status {
  readonly nodes: readonly (Json & { readonly tables: readonly Json[]; readonly checks: readonly Json[] })[];
}

describe.each(API_WAYS)('the command line and %s', (way) => {
  const table = (): string => `/v1/nodes/${node.node}/tables/public.orders`;

  test('return the same row, to the letter', async () => {
    const { rows } = await node.store.query<{ at: string }>(
      'SELECT applied_lsn::text AS at FROM pgtimewarp.wal_checkpoints',
    );
    const { at } = rows[0]!;
    await expect
      .poll(async () => {
        const [here, there] = [
          await printed('asof', 'orders', '--pk', '1', '--at', at),
          await answered(way, `${table()}/asof?pk=1&at=${encodeURIComponent(at)}`),
        ];
        expect(here).toContain('"total":12345678901234567890.10');
        return here === there;
      }, SETTLED)
      .toBe(true);
  });

  test('return the same changes of a row, to the letter', async () => {
    await expect
      .poll(async () => {
        const [here, there] = [
          await printed('diff', 'orders', '--pk', '1'),
          await answered(way, `${table()}/diff?pk=1`),
        ];
        expect(here).toContain('"op":"U"');
        return here === there;
      }, SETTLED)
      .toBe(true);
  });

  test('give the same documents about many rows, to the letter', async () => {
    const { rows } = await node.store.query<{ lsn: string }>(
      'SELECT max(m.lsn)::text AS lsn FROM pgtimewarp.lsn_time_map AS m WHERE m.xid IS NOT NULL',
    );
    const { lsn } = rows[0]!;
    for (const [words, target, says] of [
      [['transactions', '--from', '0/1', '--op', 'U'], '/transactions?from=0/1&op=U', '"updates" : 1'],
      [['transaction', lsn], `/transactions/${lsn.replace('/', '-')}`, '"changed":{"total":{"from":1.10'],
      [['changes', 'orders', '--where', 'id=1'], '/tables/public.orders/changes?where.id=1', '"op":"U"'],
      [['changes', 'orders', '--net'], '/tables/public.orders/changes?net=true', '"op":"U"'],
      [['find', 'orders', '--where', 'id=1'], '/tables/public.orders/find?where.id=1', '890.10'],
    ] as const)
      await expect
        .poll(async () => {
          const here = await printed(...words);
          const there = await answered(way, `/v1/nodes/${node.node}${target}`);
          expect(here).toContain(says);
          return here === there;
        }, SETTLED)
        .toBe(true);
  }, 120_000);

  test('return the same node and tables', async () => {
    await expect
      .poll(async () => {
        const [status] = (JSON.parse(await printed('status')) as Status).nodes;
        const { nodes } = JSON.parse(await answered(way, '/v1/nodes')) as { nodes: Json[] };
        return JSON.stringify(only(status!, Object.keys(nodes[0]!))) === JSON.stringify(nodes[0]);
      }, SETTLED)
      .toBe(true);
    const [status] = (JSON.parse(await printed('status')) as Status).nodes;
    const { tables } = JSON.parse(await answered(way, `/v1/nodes/${node.node}/tables`)) as { tables: Json[] };
    expect(tables.map(({ table }) => table)).toEqual(['orders', 'v1.notes']);
    const shown = tables.map(({ schema, table, segment, path, baseline, ...others }) => ({
      ...others,
      state: baseline,
    }));
    expect(
      status!.tables.map((each) => ({
        ...only(
          each,
          Object.keys(shown[0]!).filter((name) => name !== 'state'),
        ),
        state: (each.baseline as Json).state,
      })),
    ).toEqual(shown);
  });

  test('return the same failing checks', async () => {
    const [status] = (JSON.parse(await printed('status')) as Status).nodes;
    const health = JSON.parse(await answered(way, '/v1/health')) as Status;
    const wrong = health.nodes[0]!.checks.filter((check) => check.status !== 'ok');
    expect(wrong.map(({ code }) => code)).toEqual(['gap_open']);
    expect(status!.checks).toEqual(wrong);
  });

  test('fail with the same code, message and remedy', async () => {
    const { error } = JSON.parse(await printed('asof', 'orders', '--pk', 'none')) as { error: Json };
    const problem = JSON.parse(await answered(way, `${table()}/asof?pk=none`)) as Json;
    expect({ ...error, code: `urn:pgtimewarp:error:${error.code}` }).toEqual({
      code: problem.type,
      message: problem.detail,
      remedy: problem.remedy,
    });
  });
});
