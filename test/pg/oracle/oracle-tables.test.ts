/**
 * Whole tables against an oracle: at random commits of concurrent transactions, every table as of the commit is the copy that is replayed
 * from what the oracle saw (EXCEPT ALL both ways), and a join of three tables of an export gives the same. ORACLE_SEED repeats a
 * workload, ORACLE_TABLE_TRANSACTIONS and ORACLE_TABLE_COMMITS make it longer.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { from as copyFrom } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, databaseUrl, dropDatabase } from '../../../cli/servers/databases.ts';
import { formatTableName, type TableName } from '../../../core/pg/identifiers.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { openTable, tableRows } from '../../../core/query/table-rows.ts';
import { formatLsn, type Lsn } from '../../../core/types/lsn.ts';
import { csvHeader, csvRow, rowObjectText } from '../../../documents/table-rows.ts';
import { formatTableSegment } from '../../../documents/table-segment.ts';
import { createApp } from '../../../http/app.ts';
import { copyBack, differences, psql } from '../../support/copy-back.ts';
import { Follower } from '../../support/follower.ts';
import { commitsOf } from '../../support/oracle/compare.ts';
import { copyOf, fillCopies, makeCopies, replay } from '../../support/oracle/replay.ts';
import { type OracleRun, runWorkload } from '../../support/oracle/run-workload.ts';
import { ORACLE_TABLES } from '../../support/oracle/tables.ts';
import { transactions } from '../../support/oracle/workload.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { runCli } from '../../support/run-cli.ts';
import { serverInfo } from '../../support/server-info.ts';
import { connectForTest } from '../../support/test-client.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const TRANSACTIONS = Number.parseInt(process.env.ORACLE_TABLE_TRANSACTIONS ?? '150', 10);
/** At so many commits tables are compared, and at so many of them by the command itself. */
const COMMITS = Number.parseInt(process.env.ORACLE_TABLE_COMMITS ?? '12', 10);
const BY_COMMAND = 1;
const SEED = Number.parseInt(process.env.ORACLE_SEED ?? `${Math.floor(Math.random() * 2 ** 31)}`, 10);
const TIMEOUT_MS = 120_000 + (TRANSACTIONS + COMMITS * 10) * 200;

/** Of the copies: lines, the items that they belong to, and items of the same number. */
const JOIN = (lines: string, others: string, items: string): string =>
  `SELECT l.item, l.no, l.note, o.amount, o.note AS of, i.region, i.n, i.tags, count(*) OVER (PARTITION BY o.id) AS many
     FROM ${lines} AS l JOIN ${others} AS o ON o.id = l.item LEFT JOIN ${items} AS i ON i.id = o.id`;

let databases: TestDatabases;
let run: OracleRun;
const followers: Follower[] = [];

describe(`whole tables over ${TRANSACTIONS} transactions (ORACLE_SEED=${SEED})`, () => {
  beforeAll(async () => {
    databases = await testDatabases({ tables: ORACLE_TABLES.map((table) => table.create).join('\n') });
    for (const plugin of PLUGINS.filter((each) => needOf(each).met)) {
      const follower = await Follower.open(databases, plugin, plugin);
      followers.push(follower);
      await follower.track(ORACLE_TABLES);
    }
    let writing = true;
    const following = followers.map(async (follower) => {
      while (writing) await follower.poll(50);
    });
    run = await runWorkload({
      tables: ORACLE_TABLES,
      transactions: fc.sample(transactions(ORACLE_TABLES), { seed: SEED, numRuns: TRANSACTIONS }),
      connect: () => databases.connect('source'),
    }).finally(() => {
      writing = false;
    });
    await Promise.all(following);
    for (const follower of followers) while (!(await follower.poll()).caughtUp);
    for (const schema of ['replayed', 'back']) await makeCopies(databases.source, schema, ORACLE_TABLES);
  }, TIMEOUT_MS);

  afterAll(async () => {
    for (const follower of followers) await follower[Symbol.asyncDispose]();
    await databases?.[Symbol.asyncDispose]();
  });

  test.each(PLUGINS)(
    'as of a commit they are what is replayed (%s)',
    { timeout: TIMEOUT_MS },
    async (plugin) => {
      const follower = followers.find((each) => each.plugin === plugin);
      if (follower === undefined) return;
      const byXid = new Map(
        (await commitsOf(databases.store, follower.node, run)).map((each) => [each.xid, each]),
      );
      const every = Math.max(1, Math.floor(byXid.size / COMMITS));
      let [seen, rows, skipped] = [0, 0, 0];
      for (const [commit, state] of replay(run)) {
        const entry = byXid.get(commit.xid);
        if (entry === undefined || ++seen % every !== 0) continue;
        await fillCopies(databases.source, { schema: 'replayed', tables: ORACLE_TABLES }, state);
        const at = seen % 2 === 0 ? formatLsn(entry.lsn as Lsn) : `${entry.time.replace(' ', 'T')}Z`;
        const counts = await compareAll(follower, at, seen / every <= BY_COMMAND);
        rows += counts.rows;
        skipped += counts.skipped;
      }
      console.log(
        `oracle of tables: ${plugin}, ${seen} commits, ${rows} rows compared, ${skipped} not known`,
      );
      expect(rows).toBeGreaterThan(COMMITS);
      if (plugin === 'pgoutput') expect(skipped).toBe(0);
    },
  );

  test.each(PLUGINS)('a join of three tables of an export (%s)', { timeout: TIMEOUT_MS }, async (plugin) => {
    const follower = followers.find((each) => each.plugin === plugin);
    if (follower === undefined) return;
    const entries = await commitsOf(databases.store, follower.node, run);
    const chosen = entries[Math.floor(entries.length / 2)]!;
    for (const [commit, state] of replay(run)) {
      if (commit.xid !== chosen.xid) continue;
      await fillCopies(databases.source, { schema: 'replayed', tables: ORACLE_TABLES }, state);
      break;
    }
    const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-oracle-'));
    const scratch = `scratch_${follower.node}`;
    const { adminUrl } = serverInfo();
    try {
      const to = join(folder, 'export');
      // wal2json before 2.6 loses NaN; such rows are left out on both sides
      const answer = await runCli(
        [
          'export',
          '--at',
          formatLsn(chosen.lsn as Lsn),
          '--to',
          to,
          '--unknown',
          'skip',
          '--tables',
          'lines,other.items,items',
        ],
        { env: { ...databases.env, PGTIMEWARP_NODE: follower.node } },
      );
      expect(answer).toMatchObject({ code: 0 });
      await createDatabase(adminUrl, scratch);
      await psql(databaseUrl(adminUrl, scratch), ['-f', 'load.sql'], to);
      const loaded = await connectForTest(databaseUrl(adminUrl, scratch));
      try {
        const known = await loaded.query<{ key: string }>(`SELECT (id, region)::text AS key FROM items`);
        const texts = (join_: string): string => `SELECT j::text AS row FROM (${join_}) AS j ORDER BY 1`;
        const { rows: found } = await loaded.query<{ row: string }>(
          texts(JOIN('lines', 'other.items', 'items')),
        );
        const kept = `(SELECT * FROM ${copyOf('replayed', 0)} WHERE (id, region)::text = ANY ($1))`;
        const { rows: expected } = await databases.source.query<{ row: string }>(
          texts(JOIN(copyOf('replayed', 2), copyOf('replayed', 1), kept)),
          [known.rows.map(({ key }) => key)],
        );
        expect(found).toEqual(expected);
      } finally {
        await loaded.end();
      }
    } finally {
      await rm(folder, { recursive: true });
      await dropDatabase(adminUrl, scratch);
    }
  });
});

/** Brings every table back as of the instant, and compares it with the copy. */
async function compareAll(
  follower: Follower,
  at: string,
  byCommand: boolean,
): Promise<{ rows: number; skipped: number }> {
  const { source } = databases;
  let [rows, skipped] = [0, 0];
  for (const [index, table] of ORACLE_TABLES.entries()) {
    const back = copyOf('back', index);
    await source.query(`TRUNCATE ${back}`);
    const answer = byCommand ? await csvOfCommand(follower, table, at) : await csvOf(follower, table, at);
    if (byCommand) await copyBack(databases.sourceUrl, answer.csv, back);
    else
      await pipeline(
        Readable.from([answer.csv]),
        source.query(copyFrom(`COPY ${back} FROM STDIN (FORMAT csv, HEADER)`)),
      );
    const [missing, added] = await differences(
      source,
      `SELECT * FROM ${copyOf('replayed', index)}`,
      `SELECT * FROM ${back}`,
    );
    expect([missing, added], `${follower.node}: ${formatTableName(table)} as of ${at}`).toEqual([
      `${answer.skipped}`,
      '0',
    ]);
    rows += answer.rows;
    skipped += answer.skipped;
  }
  return { rows, skipped };
}

interface TableCsv {
  readonly csv: string;
  readonly rows: number;
  readonly skipped: number;
}

async function csvOf(follower: Follower, table: TableName, at: string): Promise<TableCsv> {
  const opened = await openTable(databases.store, {
    node: follower.node,
    table,
    at: parseInstant(at),
    unknown: 'skip',
  });
  expect(opened.final).toBe(true);
  const lines = [csvHeader(opened)];
  const objects: string[] = [];
  let skipped = 0;
  for await (const page of tableRows(databases.store, opened)) {
    lines.push(...page.rows.map((row) => csvRow(opened, row)));
    objects.push(...page.rows.map((row) => rowObjectText(opened, row)));
    skipped += page.skipped;
  }
  // a page of HTTP refuses rows that are not known
  if (skipped === 0) expect(await rowsOverHttp(follower, table, at)).toBe(objects.join());
  return { csv: `${lines.join('\n')}\n`, rows: lines.length - 1, skipped };
}

/** The texts of the rows of all pages. */
async function rowsOverHttp(follower: Follower, table: TableName, at: string): Promise<string> {
  const app = createApp({ withStore: (question) => question(databases.store), report: () => {} });
  const path = `/v1/nodes/${follower.node}/tables/${encodeURIComponent(formatTableSegment(table))}/rows`;
  const rows: string[] = [];
  for (let cursor = ''; ; ) {
    const body = await (await app.request(`${path}?limit=3&at=${encodeURIComponent(at)}${cursor}`)).text();
    const [, texts, next] = /"final":true,.*"rows":\[(.*)\],"next":(null|"[\w-]+")\}$/s.exec(body) ?? [];
    if (texts === undefined) throw new Error(body);
    if (texts !== '') rows.push(texts);
    if (next === 'null') return rows.join();
    cursor = `&cursor=${next!.slice(1, -1)}`;
  }
}

async function csvOfCommand(follower: Follower, table: TableName, at: string): Promise<TableCsv> {
  const args = ['asof', formatTableName(table), '--all', '--at', at, '--format', 'csv', '--unknown', 'skip'];
  const { code, stdout, stderr } = await runCli(args, {
    env: { ...databases.env, PGTIMEWARP_NODE: follower.node },
  });
  expect(code, stderr).toBe(0);
  const { row_count: rows, skipped } = JSON.parse(stderr.trim().split('\n').at(-1)!) as {
    row_count: number;
    skipped: number;
  };
  return { csv: stdout, rows, skipped };
}
