/**
 * Whole tables as of an instant: \copy restores the table value by value, for every type, and the other forms have the same
 * rows. Wrong requests are refused.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyBack, differences, psql } from '../../support/copy-back.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type CliResult, runCli } from '../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';
import { TYPE_SETUP, TYPE_VALUES } from '../../support/type-values.ts';

const ODD = `"Odd, ""Name"`;
const ROWS = Math.max(...TYPE_VALUES.map((each) => each.values.length));

/** The end of the log, after every commit so far. */
async function position(node: TrackedNode): Promise<string> {
  const { rows } = await node.source.query<{ lsn: string }>(
    'SELECT pg_current_wal_insert_lsn()::text AS lsn',
  );
  return rows[0]!.lsn;
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a whole table as of an instant (${plugin})`, () => {
    let node: TrackedNode;
    let at: string;
    const asOf = (table: string, ...args: string[]): Promise<CliResult> =>
      runCli(['asof', table, '--all', ...args], { env: { ...node.env, TZ: 'UTC' } });
    // wal2json before 2.6 prints NaN and infinities as null; lost-values.test.ts covers that
    const isKept = (type: string): boolean =>
      plugin === 'pgoutput' || !/^(numeric|real|double precision|positive)(\(.*)?$/.test(type);
    const columns = ['id', ...TYPE_VALUES.flatMap(({ type }, index) => (isKept(type) ? [`c${index}`] : []))];

    beforeAll(async () => {
      node = await trackedNode({
        plugin,
        tables: `${TYPE_SETUP}
          CREATE TABLE every_type (id int PRIMARY KEY, ${TYPE_VALUES.map(({ type }, index) => `c${index} ${type}`).join(', ')});
          CREATE TABLE ${ODD} ("a ""key" text PRIMARY KEY, g int GENERATED ALWAYS AS ("Ünï" * 2) STORED, "Ünï" int, secret text);
          INSERT INTO ${ODD} ("a ""key", "Ünï") VALUES ('', 1), (E'x\\n\\ny', NULL), ('a,b', 3), ('NULL', 4), ('\\.', 5)`,
        track: ['every_type'],
      });
      await node.track(ODD, { exclude: ['secret'] });
      for (let row = 0; row < ROWS; row++)
        await node.source.query(
          `INSERT INTO every_type VALUES ($1::int, ${TYPE_VALUES.map(({ type }, index) => `$${index + 2}::text::${type}`).join(', ')})`,
          [row, ...TYPE_VALUES.map(({ values }) => values[row] ?? null)],
        );
      await node.source.query(
        `CREATE TABLE types_then AS TABLE every_type; CREATE TABLE odd_then AS TABLE ${ODD}`,
      );
      at = await position(node);
      await node.source.query(
        `DELETE FROM every_type WHERE id % 2 = 0; UPDATE every_type SET c0 = 7; INSERT INTO every_type VALUES (-1);
         UPDATE ${ODD} SET "a ""key" = '""' WHERE "Ünï" = 1; TRUNCATE ${ODD}`,
      );
      await node.catchUp();
    }, 120_000);
    afterAll(() => node?.[Symbol.asyncDispose]());

    test('--json needs a folder for its temporary file, and says so', async () => {
      const env = { ...node.env, TMPDIR: '/nowhere' };
      const failed = await runCli(['asof', 'every_type', '--all', '--columns', 'id', '--json'], { env });
      expect(failed.code).toBe(2);
      expect(failed.json()).toMatchObject({
        error: { code: 'BAD_FLAGS', message: expect.stringContaining('ENOENT in mkdtemp') },
      });
      expect(failed.stderr).toContain('--format ndjson');
    });

    test('\\copy reads the CSV of every type back unchanged', async () => {
      const answer = await asOf('every_type', '--at', at, '--format', 'csv', '--columns', columns.join());
      expect(answer).toMatchObject({ code: 0 });
      expect(JSON.parse(answer.stderr)).toMatchObject({
        schema: 'public',
        table: 'every_type',
        as_of: { requested: at },
        row_count: ROWS,
        skipped: 0,
        final: true,
      });
      await node.source.query('DROP TABLE IF EXISTS back; CREATE TABLE back (LIKE every_type)');
      await copyBack(node.sourceUrl, answer.stdout, `back (${columns.join()})`);
      const rows = (table: string): string => `SELECT ${columns.join()} FROM ${table}`;
      expect(await differences(node.source, rows('types_then'), rows('back'))).toEqual(['0', '0']);
      // without a choice of columns it is the same
      if (plugin === 'pgoutput')
        expect((await asOf('every_type', '--at', at, '--format', 'csv')).stdout).toBe(answer.stdout);
    });

    test('values have the text that the source prints', async () => {
      const answer = await asOf('every_type', '--at', at, '--format', 'csv', '--columns', columns.join());
      const query = `SELECT ${columns.join()} FROM types_then ORDER BY '["' || id || '"]' COLLATE "C"`;
      expect(answer.stdout).toBe(await printedBySource(node, query));
    });

    test('odd names, empty texts, line ends; generated and excluded columns are left out', async () => {
      const answer = await asOf(ODD, '--at', at, '--format', 'csv');
      expect(answer.stdout.split('\n')[0]).toBe('"a ""key",Ünï');
      await node.source.query(`DROP TABLE IF EXISTS back; CREATE TABLE back ("a ""key" text, "Ünï" int)`);
      await copyBack(node.sourceUrl, answer.stdout, 'back');
      expect(
        await differences(node.source, `SELECT "a ""key", "Ünï" FROM odd_then`, 'SELECT * FROM back'),
      ).toEqual(['0', '0']);
      const now = await asOf(ODD, '--format', 'csv');
      expect(now).toMatchObject({ code: 0, stdout: '"a ""key",Ünï\n' });
    });

    test('NDJSON and one JSON document have the same rows', async () => {
      const lines = await asOf('every_type', '--at', at, '--format', 'ndjson', '--columns', 'id,c1');
      expect(lines.code).toBe(0);
      const rows = lines.stdout.trim().split('\n');
      expect(rows).toHaveLength(ROWS);
      expect(rows[0]).toMatch(/^\{"id":0,"c1":/);
      const document = await asOf('every_type', '--at', at, '--json', '--columns', 'id,c1');
      expect(document.json()).toMatchObject({ table: 'every_type', columns: ['id', 'c1'], row_count: ROWS });
      expect(document.stdout).toContain(`"rows":[${rows.join(',')}]`);
      const shown = await asOf('every_type', '--at', at, '--columns', 'id,c1');
      expect(shown.stdout).toMatch(/public\.every_type as of .*\n\nid +c1\n0 /);
      expect(shown.stdout).toContain(`${ROWS} rows; final`);
    });

    test('--where compares as the type does', async () => {
      const some = await asOf(
        'every_type',
        '--at',
        at,
        '--where',
        'id=01',
        '--format',
        'ndjson',
        '--columns',
        'id',
      );
      expect(some).toMatchObject({ code: 0, stdout: '{"id":1}\n' });
      const none = await asOf('every_type', '--at', at, '--where', 'id=-1', '--columns', 'id');
      expect(none.stdout).toContain('No rows.');
    });

    test.each([
      [['--pk', '1'], '--pk does not go with --all'],
      [['--columns', 'nothing'], 'has no column nothing'],
      [['--where', 'nothing=1'], 'no column nothing'],
      [['--where', 'id=x'], 'cannot have this value'],
      [['--json', '--format', 'csv'], 'two forms'],
    ])('%j is refused', async (args, message) => {
      const { code, stdout, stderr } = await asOf('every_type', ...args);
      expect([code, args.includes('--json') ? '' : stdout]).toEqual([2, '']);
      expect(stderr).toContain(message);
    });

    test('excluded columns and untracked tables are refused', async () => {
      expect((await asOf(ODD, '--columns', 'secret')).stderr).toContain('excluded from the history');
      expect((await asOf('evry_type')).stderr).toContain('Did you mean public.every_type?');
      expect(
        (await runCli(['asof', 'every_type', '--pk', '1', '--where', 'id=1'], { env: node.env })).stderr,
      ).toContain('--where does not go with --pk');
    });
  });
}

/** CSV as psql prints it, with the settings of our sessions. */
function printedBySource(node: TrackedNode, query: string): Promise<string> {
  const settings = `SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1`;
  return psql(node.sourceUrl, ['-c', settings, '-c', `\\copy (${query}) to stdout (format csv, header)`]);
}
