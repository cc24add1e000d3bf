/**
 * The history on which runs are disturbed. It is small, and contains everything that runs treat in a special way: a large
 * transaction written in parts, unchanged large values, changed keys, truncates, contexts, partitions, many small commits, and
 * a table whose existing rows are not read yet.
 */
import { onDatabase } from './backlog.ts';

export const CRASH_TABLES = ['orders', 'wide', 'parted', 'late'];

export async function prepareCrashTables(url: string): Promise<void> {
  await onDatabase(
    url,
    `CREATE TABLE orders (id int PRIMARY KEY, amount numeric NOT NULL);
     INSERT INTO orders SELECT i, i * 1.10 FROM generate_series(1, 200) AS i;
     CREATE TABLE wide (id int PRIMARY KEY, n int NOT NULL, body text NOT NULL);
     ALTER TABLE wide ALTER COLUMN body SET STORAGE EXTERNAL;
     INSERT INTO wide SELECT i, 0, repeat(md5(i::text), 100) FROM generate_series(1, 20) AS i;
     CREATE TABLE parted (region text, id int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
     CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
     CREATE TABLE parted_us PARTITION OF parted FOR VALUES IN ('us');
     CREATE TABLE late (id int PRIMARY KEY, note text);
     INSERT INTO late SELECT i, 'before ' || i FROM generate_series(1, 12000) AS i`,
  );
}

export async function writeCrashHistory(sourceUrl: string): Promise<void> {
  await onDatabase(
    sourceUrl,
    `DO $$ BEGIN FOR i IN 1..300 LOOP
       UPDATE orders SET amount = amount + 1 WHERE id = 1 + i % 200; COMMIT; END LOOP; END $$`,
  );
  await onDatabase(
    sourceUrl,
    `BEGIN;
     SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user":"crash"}');
     INSERT INTO wide SELECT 1000 + i, i, repeat(md5(i::text), 20) FROM generate_series(1, 22000) AS i;
     UPDATE wide SET n = n + 1 WHERE id <= 20;
     UPDATE wide SET id = id + 1000000 WHERE id BETWEEN 1001 AND 1100;
     COMMIT;
     BEGIN; INSERT INTO parted VALUES ('eu', 1), ('us', 1); SAVEPOINT s; INSERT INTO parted VALUES ('us', 2);
     ROLLBACK TO s; UPDATE parted SET region = 'us', id = 7 WHERE region = 'eu'; COMMIT;
     BEGIN; UPDATE late SET note = 'after' WHERE id <= 5; TRUNCATE parted_us; COMMIT;
     UPDATE wide SET n = n + 1 WHERE id <= 20`,
  );
  await onDatabase(
    sourceUrl,
    `DO $$ BEGIN FOR i IN 1..200 LOOP
       DELETE FROM orders WHERE id = i; COMMIT; INSERT INTO orders VALUES (i, i); COMMIT; END LOOP; END $$`,
  );
}

/** Later runs read the rows of `late`. Its history begins where its tracking began. */
export const BASELINE_STILL_TO_READ = `
  DELETE FROM pgtimewarp.row_changes
   WHERE relation_id = (SELECT relation_id FROM pgtimewarp.tracked_relations WHERE table_name = 'late');
  UPDATE pgtimewarp.tracked_relations
     SET baseline_state = 'pending', baseline_progress = '{}', baseline_lsn = NULL WHERE table_name = 'late'`;
