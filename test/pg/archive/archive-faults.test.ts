/**
 * Whatever ends a run of the archive, and wherever, the next run completes it: every row is in the Iceberg table once. A run is killed
 * at every request to bucket and catalog, before the server has it and after; answers are lost; two archive at once.
 */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveRun, finish } from '../../../core/archive/archive-run.ts';
import { readUnits } from '../../../core/archive/units.ts';
import { connect } from '../../../core/pg/connection.ts';
import { archiveTools } from '../../support/archive-tools.ts';
import {
  type ArchivedNode,
  archivedNode,
  archiveSql,
  askJudges,
  openTestArchive,
  setArchiveOf,
} from '../../support/archive-world.ts';
import { type HttpGate, httpGate, type SeenRequest, type Verdict } from '../../support/http-gate.ts';
import { describeNeeding } from '../../support/needs.ts';
import { type Seaweed, startSeaweed } from '../../support/seaweed.ts';

const POINTS = 24;
const OTHERS = ['lost', 'refused', 'twice', 'apart'];
const TABLES = [...Array.from({ length: POINTS }, (_, at) => `killed${at + 1}`), ...OTHERS];

describeNeeding(archiveTools(), 'the archive, disturbed', () => {
  let seaweed: Seaweed;
  let gates: readonly HttpGate[];
  let node: ArchivedNode;
  let at: string;
  beforeAll(async () => {
    seaweed = await startSeaweed();
    gates = [await httpGate(seaweed.s3Url), await httpGate(seaweed.catalogUrl)];
    Object.assign(process.env, seaweed.env, {
      AWS_ENDPOINT_URL_S3: gates[0]!.url,
      PGTIMEWARP_CATALOG_URL: gates[1]!.url,
    });
    const world = {
      tables: TABLES.map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY, n int)`).join(';'),
      steps: [
        TABLES.map((name) => `INSERT INTO ${name} SELECT n, n FROM generate_series(1, 50) AS n`).join(';'),
        TABLES.map((name) => `UPDATE ${name} SET n = 0 WHERE id % 2 = 0; TRUNCATE ${name}`).join(';'),
        TABLES.map((name) => `INSERT INTO ${name} VALUES (1, 7), (2, 8)`).join(';'),
      ],
    };
    node = await archivedNode('pgoutput', world, TABLES);
    const instants = await node.write();
    at = instants.at(-1)!;
  }, 240_000);
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
    for (const gate of gates ?? []) await gate[Symbol.asyncDispose]();
    await seaweed?.[Symbol.asyncDispose]();
  });

  const decide = (judge: (seen: SeenRequest) => Verdict | Promise<Verdict>): void => {
    for (const gate of gates) gate.decide(judge);
  };
  const isCommit = ({ method, path }: SeenRequest, table: string): boolean =>
    method === 'POST' && path.endsWith(`/tables/public__${table}`);
  const run = () => archiveRun({ storeUrl: node.storeUrl, node: node.node, target: openTestArchive() });

  test('killed at every request, before and after it', async () => {
    const killedAt: string[] = [];
    for (let point = 1; point <= POINTS; point++) {
      await setArchiveOf(node, `killed${point}`);
      const request = point > POINTS / 2 ? point - POINTS / 2 : point;
      const verdict: Verdict = point > POINTS / 2 ? 'lose-answer' : 'stop';
      const child = spawn(process.execPath, ['cli/main.ts', 'archive', 'run', '--json'], {
        env: { ...process.env, ...node.env },
        stdio: 'ignore',
      });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      let count = 0;
      decide(({ method, path }) => {
        count += 1;
        if (count !== request) return count < request ? 'pass' : 'stop';
        killedAt.push(`${verdict} ${method} ${path.replace(/\/[^/]*$/, '')}`);
        if (verdict === 'stop') child.kill('SIGKILL');
        else setTimeout(() => child.kill('SIGKILL'), 0);
        return verdict;
      });
      await ended;
      expect(child.signalCode, `point ${point}: request ${request} of ${count}`).toBe('SIGKILL');
      decide(() => 'pass');
      expect((await run()).outcome).toBe('done');
    }
    expect(killedAt.some((each) => each.startsWith('lose-answer POST'))).toBe(true);
  }, 600_000);

  test('the answer of the catalog is lost after the commit: the unit is found, not added again', async () => {
    await setArchiveOf(node, 'lost');
    let commits = 0;
    decide((seen) => (isCommit(seen, 'lost') && ++commits === 1 ? 'lose-answer' : 'pass'));
    expect(await run()).toMatchObject({ outcome: 'done' });
    expect(commits).toBe(await unitsOf('lost'));
  }, 120_000);

  test('an error 503 after the commit, and one before it', async () => {
    await setArchiveOf(node, 'refused');
    let commits = 0;
    decide((seen) => {
      if (!isCommit(seen, 'refused')) return 'pass';
      commits += 1;
      return commits === 1 ? 'stop' : commits === 2 ? { answer: 503 } : 'pass';
    });
    expect(await run()).toMatchObject({ outcome: 'done' });
    expect(commits).toBe((await unitsOf('refused')) + 1);
  }, 120_000);

  test('two runs at once: one of them works', async () => {
    await setArchiveOf(node, 'twice');
    decide(() => 'pass');
    const outcomes = await Promise.all([run(), run()]);
    expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual(['busy', 'done']);
  }, 120_000);

  test('two archive the same unit at once, without the lock', async () => {
    await setArchiveOf(node, 'apart');
    decide(({ method }) => (method === 'PUT' ? 'stop' : 'pass'));
    await expect(run()).rejects.toMatchObject({ code: 'ARCHIVE_UNREACHABLE' });
    decide(() => 'pass');
    const [unit] = await readUnits(node.store, node.node, { schema: 'public', name: 'apart' });
    expect(unit!.state).toBe('planned');
    const sessions = await Promise.all(
      [1, 2, 3].map(() => connect(node.storeUrl, { side: 'store', node: node.node })),
    );
    const rows = await Promise.all(
      sessions.map((session) => finish(session, { target: openTestArchive() }, unit!)),
    );
    await Promise.all(sessions.map((session) => session.end()));
    expect(new Set(rows).size).toBe(1);
    await run();
  }, 120_000);

  test('after all this every table has every row once', async () => {
    decide(() => 'pass');
    const queries: string[] = [];
    for (const table of TABLES) {
      const { sql, metadata_location } = await archiveSql(node, table, at);
      queries.push(
        `SELECT count(*) AS total, count(DISTINCT (pk, valid_from_lsn, seq)) AS different FROM iceberg_scan('${metadata_location}')`,
        `SELECT pk, row_data FROM (${sql}) ORDER BY pk`,
      );
    }
    const { duckdb } = await askJudges(seaweed, queries);
    for (const [index, table] of TABLES.entries()) {
      // 50 inserts, 25 updates, a TRUNCATE, 2 inserts
      expect(duckdb[index * 2], table).toEqual([{ total: '78', different: '78' }]);
      expect(duckdb[index * 2 + 1], table).toMatchObject([{ pk: '["1"]' }, { pk: '["2"]' }]);
    }
  }, 120_000);

  async function unitsOf(table: string): Promise<number> {
    return (await readUnits(node.store, node.node, { schema: 'public', name: table })).length;
  }
});
