/**
 * What can lie between a program and its sessions: a pooler, inherited time-outs of server, database or role, encodings. Doctor
 * reports what is harmless, and the remedy for the rest.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseUrl } from '../../../cli/servers/databases.ts';
import { diagnose } from '../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../core/doctor/facts.ts';
import { type Pooling, readPooling } from '../../../core/pg/pooler.ts';
import { runCommand } from '../../support/command.ts';
import { pasteRemedy, troubles, verdicts } from '../../support/doctored.ts';
import { describeNeeding, pgbouncer } from '../../support/needs.ts';
import { type PoolerOptions, startPooler } from '../../support/pooler.ts';
import { remedySteps } from '../../support/remedy-steps.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

let node: TrackedNode;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 10)',
    track: ['orders'],
  });
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

const nameOf = (url: string): string => new URL(url).pathname.slice(1);

async function said(code: string): Promise<string | undefined> {
  const { checks } = diagnose(await gatherFacts(node));
  return checks.find((check) => check.code === code)?.message;
}

describeNeeding(pgbouncer(), 'a pooler', () => {
  const urlOf = { source: 'sourceUrl', store: 'storeUrl' } as const;

  test.each<[Pooling, PoolerOptions]>([
    ['transaction', { mode: 'transaction' }],
    ['transaction', { mode: 'transaction', size: 1 }],
    ['transaction', { mode: 'transaction', inTurn: true }],
    ['transaction', { mode: 'transaction', inTurn: true, size: 2 }],
    ['transaction', { mode: 'statement' }],
    ['session', { mode: 'session' }],
    ['session', { mode: 'session', inTurn: true, size: 3 }],
  ])('is one of the kind %s: %j', async (expected, options) => {
    await using pooler = await startPooler([node.sourceUrl], options);
    const found: Pooling[] = [];
    for (let time = 0; time < 5; time++)
      found.push(await readPooling(pooler.through(node.sourceUrl), { side: 'source', node: node.node }));
    expect(found).toEqual(Array(5).fill(expected));
  });

  test('is detected while an application uses it', async () => {
    await using pooler = await startPooler([node.sourceUrl], { mode: 'transaction', inTurn: true });
    const url = pooler.through(node.sourceUrl);
    const applications = await Promise.all([1, 2, 3].map(() => readyApplication(url)));
    let isOver = false;
    const work = applications.map(async (session) => {
      while (!isOver) await session.query('BEGIN; SELECT pg_sleep(0.002); COMMIT');
      await session.end();
    });
    try {
      for (let time = 0; time < 5; time++)
        expect(await readPooling(url, { side: 'source', node: node.node })).toBe('transaction');
    } finally {
      isOver = true;
      await Promise.all(work);
    }
  });

  test('is absent: doctor reports no pooler', async () => {
    for (const side of ['source', 'store'] as const)
      expect(await readPooling(node[urlOf[side]], { side, node: node.node })).toBe('none');
    expect(await readPooling('postgres://u:p@127.0.0.1:1/db', { side: 'source', node: 'x' })).toBe('unknown');
  });

  test.each([
    ['source', 'fail source_pooler', 'fail source_timeouts'],
    ['store', 'fail store_pooler', 'fail store_timeouts'],
  ] as const)('before the %s: %s, and with time-outs %s', async (side, pooled, inherited) => {
    await using pooler = await startPooler([node.sourceUrl, node.storeUrl], { mode: 'transaction' });
    const through = { ...node, [urlOf[side]]: pooler.through(node[urlOf[side]]) };
    expect(verdicts(await troubles(through))).toEqual([pooled]);

    await node[side].query(`ALTER DATABASE ${nameOf(node[urlOf[side]])} SET statement_timeout = '5min'`);
    await pooler.console('RECONNECT');
    const found = await troubles(through);
    expect(verdicts(found)).toEqual([pooled, inherited]);
    expect(found[1]!.message).toContain('statement_timeout = 300000 ms');
    await pasteRemedy(through, found, `${side}_timeouts`);
    await pooler.console('RECONNECT');
    expect(verdicts(await troubles(through))).toEqual([pooled]);

    const steps = remedySteps(found[0]!.remedy!, 1);
    expect(steps).toMatchObject([{ kind: 'sql', text: "SET pool_mode = 'session';" }]);
    for (const step of steps) if (step.kind === 'sql') await pooler.console(step.text);
    await pooler.console('RECONNECT');
    expect(await troubles(through)).toEqual([]);
    expect(await runCommand(['poll'], through)).toMatchObject({ code: 0 });
  });
});

/** A session as applications have it, without settings of its own, which the pooler would notice. */
async function readyApplication(url: string): Promise<pg.Client> {
  const session = new pg.Client(url);
  await session.connect();
  return session;
}

describe('inherited time-outs', () => {
  test.each(['source', 'store'] as const)(
    'of the %s end no session; doctor names where they are set',
    async (side) => {
      const url = side === 'source' ? node.sourceUrl : node.storeUrl;
      const database = nameOf(url);
      const role = `hurried_${node.node}`;
      const admin = node[side];
      await admin.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'p'`);
      try {
        const hurried = databaseUrl(url, database, { user: role, password: 'p' });
        const asRole = { ...node, [side === 'source' ? 'sourceUrl' : 'storeUrl']: hurried };
        const message = async (): Promise<string> => {
          const { checks } = diagnose(await gatherFacts(asRole));
          expect(checks.filter(({ status }) => status !== 'ok')).toEqual([]);
          return checks.find(({ code }) => code === `${side}_timeouts`)!.message;
        };
        expect(await message()).toContain('No time-out');
        const places = [
          [`ALTER DATABASE ${database}`, `database ${database}`],
          [`ALTER ROLE ${role}`, `role ${role}`],
          [`ALTER ROLE ${role} IN DATABASE ${database}`, `role ${role} in database ${database}`],
        ] as const;
        for (const [index, [where, name]] of places.entries()) {
          const limitMs = (index + 1) * 50; // a session starts with these settings
          await admin.query(`${where} SET statement_timeout = '${limitMs}ms'`);
          await admin.query(`${where} SET idle_in_transaction_session_timeout = '${limitMs}ms'`);
          expect(await message()).toContain(`statement_timeout = ${limitMs} ms (${name})`);
          expect(await runCommand(['poll'], asRole)).toMatchObject({ code: 0 });
        }
        const { source, store } = await gatherFacts(asRole);
        const { inherited } = side === 'source' ? source.facts!.condition : store.facts!.condition!;
        for (const { reset } of inherited!.timeouts) await admin.query(reset);
        expect(await message()).toContain(`statement_timeout = 100 ms (role ${role})`);
      } finally {
        await admin.query(`ALTER DATABASE ${database} RESET ALL`);
        await admin.query(`DROP ROLE ${role}`);
      }
    },
  );
});

describe('an encoding that init refuses', () => {
  test.each([
    ['source', 'SQL_ASCII', 'fail source_encoding'],
    ['store', 'LATIN1', 'fail store_encoding'],
    ['store', 'SQL_ASCII', 'fail store_encoding'],
  ] as const)('of a %s that exists already, in %s: %s', async (side, encoding, expected) => {
    const database = nameOf(side === 'source' ? node.sourceUrl : node.storeUrl);
    const label = (name: string) =>
      node[side].query(
        'UPDATE pg_database SET encoding = pg_char_to_encoding($2::name) WHERE datname = $1::name',
        [database, name],
      );
    await label(encoding); // as if an earlier version without this check had made it
    try {
      const found = await troubles(node);
      expect(verdicts(found)).toEqual([expected]);
      expect(found[0]!.message).toContain(encoding);
    } finally {
      await label('UTF8');
    }
    expect(await troubles(node)).toEqual([]);
    expect(await said(`${side}_encoding`)).toContain('UTF8');
  });
});
