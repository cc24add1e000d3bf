/** The shop of the demo: two small tables, the transactions of a working day, and an UPDATE without WHERE. */

export const SHOP_TABLES = `
  CREATE TABLE clients (
    id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    city text
  );
  CREATE TABLE orders (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id int NOT NULL REFERENCES clients,
    status    text NOT NULL DEFAULT 'new',
    total     numeric(12,2) NOT NULL
  );
  INSERT INTO clients (name, city) VALUES ('Ada', 'London'), ('Grace', 'New York'), ('Edsger', 'Nuenen');
  INSERT INTO orders (client_id, total) VALUES (1, 49.90), (2, 1299.00), (3, 8.50), (1, 15.25);
`;

/** Transactions of a working day, in order. */
export const WORKING_DAY = [
  `UPDATE orders SET status = 'paid' WHERE id = 2`,
  `INSERT INTO orders (client_id, total) VALUES (3, 120.00)`,
  `BEGIN; UPDATE orders SET status = 'shipped', total = 1249.00 WHERE id = 2;
   UPDATE clients SET city = 'Arlington' WHERE id = 2; COMMIT`,
  `DELETE FROM orders WHERE id = 3`,
];

/** Meant for one order; the WHERE is missing. The script says who runs it, which the history keeps with the changes. */
export const MISTAKE =
  `BEGIN; SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user":"sam"}'); ` +
  'UPDATE orders SET total = 0; COMMIT';

/** Later work, which must survive. */
export const CORRECTION = 'UPDATE orders SET total = 17.00 WHERE id = 4';
