/**
 * No row contains virtual generated columns (PostgreSQL 18), neither from the log nor from the table. Every answer about an
 * instant at which the table had one names it, whenever the row was written.
 */
import { expect, test } from 'vitest';
import { findEmbeddedBinaries } from '../../../../cli/servers/find-binaries.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { type OwnSource, ownSource } from '../../../support/own-source.ts';

const newest = (await findEmbeddedBinaries())[0];
const need = { what: 'PostgreSQL 18', met: newest !== undefined, remedy: 'npm ci' };

const TABLE = `CREATE TABLE t (id int PRIMARY KEY, a int, v int GENERATED ALWAYS AS (a * 3) VIRTUAL);
               INSERT INTO t (id, a) VALUES (1, 1), (2, 2)`;
const withTable = (tables = TABLE, exclude: string[] = []): Promise<OwnSource> =>
  ownSource({ plugin: 'pgoutput', binaries: newest!, tables, track: ['t'], exclude });

/** Row and incomplete columns of the key as of an instant, through both query functions of the store. */
async function asOf(node: OwnSource, id: number, at: string): Promise<string> {
  const { rows } = await node.databases.store.query<{ answer: string; each: string }>(
    `SELECT a.answer::text AS answer, e.answer AS each
       FROM pgtimewarp.asof_answer($1, 'public', 't', to_jsonb($2::int), $3::timestamptz, NULL, $3::text) AS a,
            pgtimewarp.asof_each($1, 'public', 't', ARRAY[to_jsonb($2::int)], ARRAY[$3::timestamptz], ARRAY[NULL::pg_lsn],
              ARRAY[$3::text]) AS e`,
    [node.urls.node, id, at],
  );
  const { answer, each } = rows[0]!;
  expect(each).toBe(answer);
  const { status, row, incomplete, final } = JSON.parse(answer) as Record<string, unknown>;
  return `${status} ${JSON.stringify(row)} ${JSON.stringify(incomplete)} ${final}`;
}

async function versions(node: OwnSource): Promise<string[]> {
  const { rows } = await node.databases.store.query<{ line: string }>(
    `SELECT v.pk || v.op::text || coalesce(v.incomplete::text, '') AS line
       FROM pgtimewarp.row_versions AS v ORDER BY v.pk, v.valid_from_lsn, v.seq`,
  );
  return rows.map(({ line }) => line);
}

async function differences(node: OwnSource): Promise<unknown[]> {
  const { rows } = await node.databases.store.query<{ op: string; incomplete: string[] | null }>(
    `SELECT d.op, d.incomplete
       FROM pgtimewarp.diff_changes($1, 'public', 't', '1', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) AS d`,
    [node.urls.node],
  );
  return rows.map(({ op, incomplete }) => [op, incomplete]);
}

describeNeeding(need, 'virtual generated columns', () => {
  test('are named in every answer, from the start of tracking', async () => {
    await using node = await withTable();
    await node.poll();
    const before = await node.horizon();
    await node.sql('UPDATE t SET a = 5 WHERE id = 1; DELETE FROM t WHERE id = 2');
    await node.poll();
    const after = await node.horizon();
    expect(await asOf(node, 1, before)).toBe('found {"id":1,"a":1} ["v"] true');
    expect(await asOf(node, 1, after)).toBe('found {"id":1,"a":5} ["v"] true');
    expect(await asOf(node, 2, after)).toBe('absent null [] true');
    expect(await differences(node)).toEqual([
      ['S', ['v']],
      ['U', ['v']],
    ]);
    expect(await versions(node)).toEqual(['["1"]S{v}', '["1"]U{v}', '["2"]S{v}', '["2"]D']);
  });

  test('that are added and dropped later are named for that time, although no row is written', async () => {
    await using node = await withTable(
      'CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 1)',
    );
    await node.poll();
    const before = await node.horizon();
    const first = await asOf(node, 1, before);
    await node.sql('ALTER TABLE t ADD v int GENERATED ALWAYS AS (a * 3) VIRTUAL');
    await node.poll();
    const between = await node.horizon();
    await node.sql('ALTER TABLE t DROP v');
    await node.poll();
    await node.sql('SELECT pg_logical_emit_message(true, $$x$$, $$y$$)');
    await node.poll();
    const after = await node.horizon();
    expect(first).toBe('found {"id":1,"a":1} [] true');
    expect(await asOf(node, 1, before)).toBe(first);
    expect(await asOf(node, 1, between)).toBe('found {"id":1,"a":1} ["v"] true');
    expect(await asOf(node, 1, after)).toBe('found {"id":1,"a":1} [] true');
    expect(await versions(node)).toEqual(['["1"]S{v}']);
    expect(await node.gaps()).toEqual([]);
  });

  test('that are renamed are named by their name of that time', async () => {
    await using node = await withTable();
    await node.poll();
    const before = await node.horizon();
    await node.sql('ALTER TABLE t RENAME v TO w');
    await node.poll();
    await node.sql('UPDATE t SET a = 7 WHERE id = 1');
    await node.poll();
    expect(await asOf(node, 1, before)).toBe('found {"id":1,"a":1} ["v"] true');
    expect(await asOf(node, 1, await node.horizon())).toBe('found {"id":1,"a":7} ["w"] true');
  });

  test('that are excluded are not named', async () => {
    await using node = await withTable(TABLE, ['v']);
    await node.poll();
    expect(await asOf(node, 1, await node.horizon())).toBe('found {"id":1,"a":1} [] true');
  });
});
