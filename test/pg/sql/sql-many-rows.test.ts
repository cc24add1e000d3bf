/** Questions about many rows in SQL on the source: what they answer, what they say beside it, and to whom. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE a (id int PRIMARY KEY, n numeric, secret text);
  CREATE TABLE b (id int PRIMARY KEY, v int);
  INSERT INTO a VALUES (1, 1.0, 's1'), (2, 2, 's2'); INSERT INTO b VALUES (1, 1)`;

let node: TrackedNode;
let sql: SqlSource;
let admin: pg.Client;
let bob: string;
/** Commit LSNs of the transactions, in their order. */
let lsns: string[];

beforeAll(async () => {
  node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['a', 'b'] });
  admin = node.source;
  sql = await sqlSource(node);
  bob = `${sql.reader}_bob`;
  await admin.query(`CREATE ROLE ${bob}`);
  const say = (who: string) => `SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user": "${who}"}');`;
  for (const work of [
    `${say('ann')} UPDATE a SET n = 7, secret = 't' WHERE id = 1; ${say('hidden')} UPDATE b SET v = 2;`,
    `${say('only-b')} UPDATE b SET v = 3;`,
    `INSERT INTO a VALUES (3, 1.00, 's3');`,
    `DELETE FROM a WHERE id = 3;`,
    `TRUNCATE b;`,
  ])
    await admin.query(`BEGIN; ${work} COMMIT`);
  await node.poll();
  await node.poll();
  const { rows } = await admin.query<{ lsn: string }>('SELECT lsn FROM pgtimewarp_transactions(NULL) ORDER BY lsn');
  lsns = rows.map(({ lsn }) => lsn);
  sql.warnings();
});
afterAll(async () => {
  await admin.query(`DROP OWNED BY ${bob}; DROP ROLE ${bob}`);
  await node[Symbol.asyncDispose]();
  await sql[Symbol.asyncDispose]();
});

const rowsOf = async (statement: string): Promise<unknown[]> => (await admin.query(statement)).rows;

describe('the answers', () => {
  test('transactions', async () => {
    console.log(await rowsOf('SELECT * FROM pgtimewarp_transactions()'), lsns, sql.warnings());
    console.log(await rowsOf(`SELECT * FROM pgtimewarp_transaction('${lsns[0]}')`), sql.warnings());
    console.log(await rowsOf(`SELECT * FROM pgtimewarp_changes('a')`), sql.warnings());
    console.log(await rowsOf(`SELECT * FROM pgtimewarp_changes('a', net => true)`), sql.warnings());
    console.log(await rowsOf(`SELECT * FROM pgtimewarp_find('a', '{"n": 1}')`), sql.warnings());
    console.log(await rowsOf(`SELECT * FROM pgtimewarp_find('a', '{"n": "1.0"}', from_ts => '-infinity')`), sql.warnings());
    expect(await failure(admin, `SELECT pgtimewarp_changes('a', op_ => '{X}')`)).toMatch(/^22023/);
  });
});
