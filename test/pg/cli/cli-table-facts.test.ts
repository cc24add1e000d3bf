/** What readTableFacts() returns for the kinds of tables that matter for tracking. */
import { expect, test } from 'vitest';
import { readTableFacts } from '../../../core/source/catalog/table-facts.ts';
import { testDatabases } from '../../support/test-databases.ts';

const TABLES = `
  CREATE SCHEMA "Sales.x";
  CREATE TYPE mood AS ENUM ('ok');
  CREATE DOMAIN code AS varchar(10); CREATE DOMAIN sub_code AS code;
  CREATE TABLE "Sales.x"."Odd ""T""" (
    gone int, b sub_code NOT NULL, a mood, amount numeric(10,2) NOT NULL, twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
    doc text, PRIMARY KEY (a, b) INCLUDE (amount));
  ALTER TABLE "Sales.x"."Odd ""T""" DROP COLUMN gone;
  CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
  CREATE TABLE mid PARTITION OF root FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
  CREATE TABLE leaf_a PARTITION OF mid FOR VALUES FROM (0) TO (50);
  CREATE UNLOGGED TABLE leaf_b PARTITION OF root FOR VALUES FROM (100) TO (200);
  INSERT INTO root SELECT generate_series(0, 9); ANALYZE;
`;

test('facts come in the order of the names, null for a table that does not exist', async () => {
  await using databases = await testDatabases({ tables: TABLES });
  const [odd, missing, root, leaf, index] = await readTableFacts(databases.source, [
    { schema: 'Sales.x', name: 'Odd "T"' },
    { schema: 'public', name: 'nothing' },
    { schema: 'public', name: 'root' },
    { schema: 'public', name: 'leaf_a' },
    { schema: 'public', name: 'root_pkey' },
  ]);
  expect([missing, index]).toEqual([null, null]);
  expect(odd).toMatchObject({
    schema: 'Sales.x',
    name: 'Odd "T"',
    relkind: 'r',
    persistence: 'p',
    replicaIdentity: 'd',
    rowSecurity: false,
    identity: 'key',
    deferrableKey: null,
    partitionRoot: null,
    owned: true,
    leaves: [],
  });
  expect(odd?.key.map((column) => [column.name, column.typeName, column.kind.name])).toEqual([
    ['a', 'mood', 'enum'],
    ['b', 'sub_code', 'varchar'],
  ]);
  expect(
    odd?.columns.map((each) => [
      each.attnum,
      each.name,
      each.typeName,
      each.notNull,
      each.generated,
      each.isKey,
    ]),
  ).toEqual([
    [2, 'b', 'sub_code', true, '', true],
    [3, 'a', 'mood', true, '', true],
    [4, 'amount', 'numeric(10,2)', true, '', false],
    [5, 'twice', 'numeric', false, 's', false],
    [6, 'doc', 'text', false, '', false],
  ]);
  expect(odd?.columns.map((each) => each.variableLength)).toEqual([true, false, true, true, true]);
  expect(root).toMatchObject({ relkind: 'p', partitionRoot: null, estimatedRows: 10 });
  expect(root?.leaves.map((each) => [each.name, each.persistence])).toEqual([
    ['leaf_a', 'p'],
    ['leaf_b', 'u'],
  ]);
  expect(leaf?.partitionRoot).toEqual({ schema: 'public', name: 'root' });
});
