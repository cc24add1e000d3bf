/** The past of whole tables in SQL: views of the schema asof, and the typed function. */
import { describe, expect, test } from 'vitest';
import { describeNeeding } from '../../support/needs.ts';
import { differences, pastSource } from '../../support/past-source.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { failure } from '../../support/sql-source.ts';

const ORDERS = `
  CREATE TABLE orders (id int PRIMARY KEY, customer text, amount numeric(10, 2), note json);
  INSERT INTO orders SELECT n, 'c' || n % 10, n * 1.5, '{"n": 1}' FROM generate_series(1, 1000) n`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `views of the past through ${plugin}`, () => {
    test('show the rows as of the instant, with live rows for keys that did not change', async () => {
      await using past = await pastSource({ plugin, tables: ORDERS, track: ['orders'] });
      const { source } = past.node;
      const before = await past.mark();
      await source.query(`CREATE TABLE copy AS SELECT * FROM orders;
        UPDATE orders SET amount = amount + 1 WHERE id <= 10; DELETE FROM orders WHERE id BETWEEN 11 AND 20;
        INSERT INTO orders VALUES (2001, 'new', 1, NULL); UPDATE orders SET id = 3000 WHERE id = 30`);
      const columns = 'id, customer, amount, note::text';
      const shown = await past.asOf(
        before,
        differences(`SELECT ${columns} FROM asof.orders`, `SELECT ${columns} FROM copy`),
      );
      expect(shown).toEqual([]);
      expect(past.alone()).toEqual([]);
      const typed = `SELECT ${columns} FROM pgtimewarp_asof_lsn_table(NULL::orders, '${before}')`;
      expect(await past.asOf('', differences(typed, `SELECT ${columns} FROM copy`))).toEqual([]);
      expect(past.alone()).toEqual([]);
      await source.query('SET pgtimewarp.asof_from = store');
      expect(
        await past.asOf(
          before,
          differences(`SELECT ${columns} FROM asof.orders`, `SELECT ${columns} FROM copy`),
        ),
      ).toEqual([]);
      expect(await past.asOf('', differences(typed, `SELECT ${columns} FROM copy`))).toEqual([]);
      expect(past.sql.warnings()).toEqual([]);
    });
  });
}

describe('an instant', () => {
  test('must be set, and not be after the horizon', async () => {
    await using past = await pastSource({ plugin: 'pgoutput', tables: ORDERS, track: ['orders'] });
    const { source } = past.node;
    expect(await failure(source, 'SELECT FROM asof.orders')).toMatch(/^TW018: pgtimewarp.as_of is not set/);
    await source.query(`SET pgtimewarp.as_of = 'yesteryear'`);
    expect(await failure(source, 'SELECT FROM asof.orders')).toMatch(/^TW018: not a time or an LSN/);
  });
});
