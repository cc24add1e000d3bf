/**
 * Tells the SQL functions on the source where the store is. The reader's password is sent as COPY data: a server may log
 * statements and their parameters, but never COPY data.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { quoteIdentifier } from '../../core/pg/identifiers.ts';
import { inSourceTransaction } from '../../core/pg/transaction.ts';

export interface StoreConnection {
  /** The host under which the source reaches the store; this machine may use another one. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** A login of the store with the role pgtimewarp_reader. */
  readonly reader: string;
  readonly password: string;
  /** The default node of questions. */
  readonly node: string;
  readonly sslRootCert: string | null;
  readonly sslMode: string | null;
}

/** Makes or replaces the connection and sends the store a test question. If that fails, nothing is changed. */
export async function connectStore(source: pg.Client, schema: string, to: StoreConnection): Promise<void> {
  await inSourceTransaction(source, async () => {
    await source.query('CREATE TEMPORARY TABLE pgtimewarp_reader_password (password text) ON COMMIT DROP');
    const copy = source.query(copyFrom('COPY pg_temp.pgtimewarp_reader_password FROM STDIN'));
    await pipeline(Readable.from([`${copyText(to.password)}\n`]), copy);
    await source.query(
      `SELECT ${quoteIdentifier(schema)}.pgtimewarp_connect(
                $1::text, $2::int, $3::text, $4::text, s.password, $5::text, $6::text, $7::text)
         FROM pg_temp.pgtimewarp_reader_password s`,
      [to.host, to.port, to.database, to.reader, to.node, to.sslRootCert, to.sslMode],
    );
  });
}

/** PostgreSQL manual, "COPY", text format. */
function copyText(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
}
