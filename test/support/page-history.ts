/** A history to look at: a shop whose totals a mistake set to 0, hostile values, and a row with many versions. */
import { type TrackedNode, trackedNode } from './tracked-node.ts';

export const HOSTILE = {
  script: '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">',
  link: 'javascript:document.title="owned"',
  bidi: 'user\u202Etxt.exe\u2066\u200B\u0007',
  long: 'x'.repeat(1_000_000),
};

const TABLES = `
  CREATE TABLE clients (id int PRIMARY KEY, name text NOT NULL, city text, photo bytea, notes jsonb);
  CREATE TABLE orders (
    id bigint PRIMARY KEY, client_id int NOT NULL REFERENCES clients, status text NOT NULL DEFAULT 'new',
    total numeric(20,2) NOT NULL, comment text
  );
  CREATE TABLE "<b>hostile</b>" (id int PRIMARY KEY, "<i>col</i>\u202E" text);
  INSERT INTO clients VALUES
    (1, 'Ada', 'London', '\\x89504e470d0a', '{"tier": "gold", "limit": 1.10, "tags": ["early", "uk"], "address": {"street": "St James Square"}}'),
    (2, 'Grace', 'New York', NULL, NULL), (3, 'Edsger', '', NULL, '[]');
  INSERT INTO orders SELECT n, 1 + n % 3, CASE n % 4 WHEN 0 THEN 'new' WHEN 1 THEN 'paid' ELSE 'shipped' END, 9007199254740993 + n, NULL
    FROM generate_series(1, 40) AS n;
`;

/** @param versions of order 2 */
export async function pageHistory({ versions = 12 } = {}): Promise<TrackedNode> {
  const node = await trackedNode({
    plugin: 'pgoutput',
    tables: TABLES,
    track: ['clients', 'orders', '"<b>hostile</b>"'],
  });
  const { source } = node;
  const by = (who: object, sql: string, parameters: readonly unknown[] = []): Promise<void> =>
    (async () => {
      await source.query('BEGIN');
      await source.query(`SELECT pg_logical_emit_message(true, 'pgtimewarp', $1)`, [JSON.stringify(who)]);
      await source.query(sql, [...parameters]);
      await source.query('COMMIT');
    })();
  for (let version = 1; version <= versions; version++) {
    await source.query(`UPDATE orders SET comment = 'step ' || $1::text, status = 'paid' WHERE id = 2`, [
      version,
    ]);
  }
  await by(
    { user: 'ann', job: 'import' },
    `INSERT INTO orders SELECT n, 1, 'new', n * 1.10, '' FROM generate_series(41, 60) AS n`,
  );
  await by({ user: 'ann' }, 'DELETE FROM orders WHERE id IN (3, 4, 5)');
  await by(
    { user: HOSTILE.script },
    `INSERT INTO "<b>hostile</b>" VALUES (1, $1), (2, $2), (3, $3), (4, $4)`,
    Object.values(HOSTILE),
  );
  await source.query(`UPDATE clients SET city = 'Arlington', notes = '{"tier": "silver"}' WHERE id = 2`);
  await by({ user: 'sam' }, 'UPDATE orders SET total = 0');
  await node.catchUp();
  return node;
}
