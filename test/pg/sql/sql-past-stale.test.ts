/**
 * A view contains what the table was when the view was made: its kind, its key, the types of its columns, its generated columns. After a
 * change of these the view answers with an error until it is renewed; before, it would have given wrong rows.
 */
import { describe, expect, test } from 'vitest';
import { untrack } from '../../../core/track.ts';
import { type PastSource, pastSource } from '../../support/past-source.ts';
import { failure } from '../../support/sql-source.ts';

const STALE = /^TW019: the view of .* is out of date/;

/** The failure of the stale view, and the rows of the renewed one, at an instant after the change with one row changed since. */
async function staleAndRenewed(tables: string, change: (past: PastSource) => Promise<void>, since: string) {
  await using past = await pastSource({ plugin: 'pgoutput', tables, track: ['t'] });
  const { source } = past.node;
  await change(past);
  for (let runs = 0; runs < 4; runs++) await past.node.poll(); // repairs
  await source.query('UPDATE t SET n = n + 1').catch(() => {}); // these versions lack generated columns
  const { rows: expected } = await source.query('SELECT t::text FROM t ORDER BY 1');
  const at = await past.mark();
  await source.query(since);
  await source.query(`SET pgtimewarp.as_of = '${at}'`);
  const stale = await past.whileRunning(() => failure(source, 'SELECT * FROM asof.t'));
  const shown = (await past.asOf(at, 'SELECT t::text FROM asof.t ORDER BY 1').catch(() => null)) as
    | unknown[]
    | null;
  await past.views('t');
  return {
    stale,
    wrong: shown,
    expected,
    renewed: await past.asOf(at, 'SELECT t::text FROM asof.t ORDER BY 1'),
  };
}
const alter = (sql: string) => (past: PastSource) => past.node.source.query(sql).then(() => {});
async function anew(past: PastSource, sql: string): Promise<void> {
  await past.node.source.query(sql);
  await past.node.track('t');
}

describe('a view is out of date', () => {
  test.each([
    {
      what: 'the scale of a column',
      tables: 'CREATE TABLE t (id int PRIMARY KEY, n numeric(10, 2)); INSERT INTO t VALUES (1, 1), (2, 2)',
      change: alter('ALTER TABLE t ALTER n TYPE numeric(10, 4); UPDATE t SET n = 1.2345'),
      since: 'UPDATE t SET n = 7 WHERE id = 1',
    },
    {
      what: 'the scale of the key',
      tables: 'CREATE TABLE t (id numeric(10, 2) PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2)',
      change: alter('ALTER TABLE t ALTER id TYPE numeric(10, 4); UPDATE t SET id = id + 0.0045'),
      since: 'UPDATE t SET n = 7 WHERE id < 2',
    },
    {
      what: 'the columns of the key',
      tables:
        'CREATE TABLE t (id int PRIMARY KEY, code int NOT NULL UNIQUE); INSERT INTO t VALUES (1, 2), (2, 3), (3, 1)',
      change: async (past: PastSource) => {
        await past.node.source.query('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code)');
        const urls = { sourceUrl: past.node.sourceUrl, storeUrl: past.node.storeUrl, node: past.node.node };
        await untrack({ ...urls, table: { schema: 'public', name: 't' }, purge: false });
        await past.node.track('t');
      },
      since: 'DELETE FROM t WHERE id = 1',
    },
    {
      what: 'the table: it is partitioned now',
      tables: 'CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2)',
      change: (past: PastSource) =>
        anew(
          past,
          `ALTER TABLE t RENAME TO t_old; CREATE TABLE t (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
           CREATE TABLE t_all PARTITION OF t DEFAULT; INSERT INTO t TABLE t_old`,
        ),
      since: 'UPDATE t SET n = 7 WHERE id = 1',
    },
    {
      what: 'the expression of a generated column',
      tables:
        'CREATE TABLE t (id int PRIMARY KEY, n int, g int GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO t VALUES (1, 1), (2, 2)',
      change: alter('ALTER TABLE t DROP g; ALTER TABLE t ADD g int GENERATED ALWAYS AS (n * 3) STORED'),
      since: 'UPDATE t SET n = 7 WHERE id = 1',
    },
  ])('$what', async ({ tables, change, since }) => {
    const { stale, wrong, expected, renewed } = await staleAndRenewed(tables, change, since);
    expect({ stale, wrong }).toEqual({ stale: expect.stringMatching(STALE), wrong: null });
    expect(renewed).toEqual(expected);
  });
});
