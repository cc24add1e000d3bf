/** The tables of the oracle of `restore`, random transactions on them, and a second opinion about states of them. */
import type pg from 'pg';

export const RESTORED = ['c', 'o', 'e', 'p', '"Q q"', 'd', 's'] as const;
export type RestoredTable = (typeof RESTORED)[number];

/** A cycle of foreign keys, cascades, a self reference, identity, generated column, partial unique index, exclusion, partitions, deferrable. */
const COMMON = `
CREATE TABLE c (id int PRIMARY KEY, name text, note text, best int);
CREATE TABLE o (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL REFERENCES c ON DELETE CASCADE,
  total numeric(12,2), doubled numeric GENERATED ALWAYS AS (total * 2) STORED, parent int REFERENCES o, code text);
CREATE UNIQUE INDEX ON o (code) WHERE total > 0;
ALTER TABLE c ADD FOREIGN KEY (best) REFERENCES o ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE e (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&));
CREATE TABLE p (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu');
CREATE TABLE p_us PARTITION OF p FOR VALUES IN ('us');
CREATE TABLE "Q q" ("K" text PRIMARY KEY, v jsonb, w text DEFAULT 'x');
CREATE TABLE d (id int PRIMARY KEY, pos int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE s (id int PRIMARY KEY, v int CHECK (v < 1000), updated int NOT NULL DEFAULT 0);`;

export const WORLD = `${COMMON}
CREATE TABLE audit (n int);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated := OLD.updated + 1; RETURN NEW; END $$;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (1); RETURN NULL; END $$;
CREATE TRIGGER stamp BEFORE UPDATE ON s FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON s FOR EACH ROW EXECUTE FUNCTION note();
CREATE SCHEMA judge; SET search_path = judge; ${COMMON} RESET search_path;
INSERT INTO c SELECT g, 'c' || g, NULL FROM generate_series(1, 6) AS g;
INSERT INTO o (customer, total, code) SELECT 1 + g % 6, g, 'k' || g FROM generate_series(1, 8) AS g;
INSERT INTO e SELECT g, int4range(g * 10, g * 10 + 5) FROM generate_series(1, 4) AS g;
INSERT INTO p SELECT (ARRAY['eu', 'us'])[1 + g % 2], g, 'v' FROM generate_series(1, 6) AS g;
INSERT INTO "Q q" SELECT 'k' || g, jsonb_build_object('n', g) FROM generate_series(1, 4) AS g;
INSERT INTO d SELECT g, g FROM generate_series(1, 5) AS g;
INSERT INTO s SELECT g, g FROM generate_series(1, 5) AS g;`;

type Dice = (below: number) => number;

/** Statements; some fail, and then their transaction with them. @param inserts only inserts, or anything else */
export function randomStatement(dice: Dice, inserts: boolean): string {
  const id = 1 + dice(9);
  const other = 1 + dice(9);
  const n = dice(1000);
  const all = inserts
    ? [
        `INSERT INTO c VALUES (${id}, 'new${n}', NULL, NULL)`,
        `INSERT INTO o (customer, total, code, parent) SELECT min(id), ${n % 50}, 'n${n}', ${dice(2) === 0 ? 'NULL' : '(SELECT min(id) FROM o)'} FROM c WHERE id >= ${id % 5}`,
        `INSERT INTO e VALUES (${id}, int4range(${n % 90}, ${(n % 90) + 4}))`,
        `INSERT INTO p VALUES ('${id % 2 === 0 ? 'eu' : 'us'}', ${id}, 'p${n}')`,
        `INSERT INTO "Q q" VALUES ('k${id}', '[${n}, "é\\\\"]', NULL)`,
        `INSERT INTO d SELECT max(id) + 1, max(pos) + 1 FROM d`,
        `INSERT INTO s VALUES (${id}, ${n})`,
      ]
    : [
        `UPDATE c SET name = 'n${n}' WHERE id % 3 = ${id % 3}`,
        `UPDATE c SET note = 'x${n}' WHERE id = ${id}`,
        `UPDATE c SET best = (SELECT min(id) FROM o WHERE id > ${id}) WHERE id = ${other}`,
        `DELETE FROM c WHERE id = ${id}`,
        `UPDATE o SET total = ${n % 40} WHERE id % 4 = ${id % 4}`,
        `UPDATE o SET code = 'c${n}' WHERE id = (SELECT min(id) FROM o WHERE id >= ${id})`,
        `UPDATE o SET parent = (SELECT max(id) FROM o WHERE id < o.id) WHERE id % 3 = ${id % 3}`,
        `UPDATE o SET parent = NULL; DELETE FROM o WHERE id % 5 = ${id % 5}`,
        `UPDATE e SET during = int4range(${n % 90}, ${(n % 90) + 4}) WHERE id = ${id}`,
        `DELETE FROM e WHERE id = ${id}`,
        `UPDATE p SET v = 'w${n}' WHERE region = '${id % 2 === 0 ? 'eu' : 'us'}'`,
        `UPDATE p SET region = CASE region WHEN 'eu' THEN 'us' ELSE 'eu' END WHERE id = ${id}`,
        `DELETE FROM p WHERE id = ${id}`,
        `UPDATE "Q q" SET v = '{"a": ${n}.50}' WHERE "K" = 'k${id}'`,
        `DELETE FROM "Q q" WHERE "K" = 'k${id}'`,
        `UPDATE d SET pos = (SELECT sum(pos) FROM d AS x WHERE x.id IN (${id}, ${other})) - pos WHERE id IN (${id}, ${other})`,
        `DELETE FROM d WHERE id = ${id}`,
        `UPDATE s SET v = ${n} WHERE id = ${id}`,
        `UPDATE s SET v = v + 1`,
        `DELETE FROM s WHERE id = ${id}`,
        ...(dice(5) === 0 ? ['TRUNCATE s', 'TRUNCATE d', 'TRUNCATE p'] : []),
      ];
  return all[dice(all.length)]!;
}

const KEYS: Readonly<Record<RestoredTable, string>> = {
  c: 'id::text',
  o: 'id::text',
  e: 'id::text',
  p: "region || ' ' || id",
  '"Q q"': '"K"',
  d: 'id::text',
  s: 'id::text',
};

/** From "TABLE|KEY" to column to JSON text. */
export type World = Map<string, Readonly<Record<string, string>>>;

export async function worldNow(source: pg.Client): Promise<World> {
  const { rows } = await source.query<{ place: string; columns: string }>(
    RESTORED.map(
      (table) =>
        `SELECT '${table}|' || ${KEYS[table]} AS place, (SELECT json_object_agg(m.key, m.value::text) FROM json_each(to_json(t)) AS m) AS columns FROM public.${table} AS t`,
    ).join(' UNION ALL '),
  );
  return new Map(rows.map(({ place, columns }) => [place, JSON.parse(columns) as Record<string, string>]));
}

/** Whether the constraints allow this state. */
export async function isPossible(source: pg.Client, world: World): Promise<boolean> {
  await source.query('BEGIN');
  try {
    for (const table of RESTORED) {
      const texts = [...world]
        .filter(([place]) => place.startsWith(`${table}|`))
        .map(
          ([, columns]) =>
            `{${Object.entries(columns).map(([name, text]) => `${JSON.stringify(name)}:${text}`)}}`,
        );
      const names = COLUMNS[table];
      await source.query(
        `INSERT INTO judge.${table} (${names}) OVERRIDING SYSTEM VALUE
         SELECT ${names} FROM unnest($1::json[]) AS j (j), json_populate_record(NULL::judge.${table}, j.j)`,
        [texts],
      );
    }
    await source.query('SET CONSTRAINTS ALL IMMEDIATE');
    return true;
  } catch {
    return false;
  } finally {
    await source.query('ROLLBACK');
  }
}

/** Those that are not generated. */
const COLUMNS: Readonly<Record<RestoredTable, string>> = {
  c: 'id, name, note, best',
  o: 'id, customer, total, parent, code',
  e: 'id, during',
  p: 'region, id, v',
  '"Q q"': '"K", v, w',
  d: 'id, pos',
  s: 'id, v, updated',
};
