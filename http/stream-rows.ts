/**
 * Streams all rows of a table, from one snapshot of the store and in bounded memory: the store is read as fast as the client takes rows. The
 * response begins when the first page is there, so most refusals are problem documents. After that a failure breaks the response off.
 */
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { inSourceTransaction } from '../core/pg/transaction.ts';
import type { WithStore } from '../core/query/await-horizon.ts';
import {
  openTable,
  SNAPSHOT,
  type TableAt,
  type TablePage,
  type TableRequest,
  type TableRow,
  tableRows,
} from '../core/query/table-rows.ts';

interface StreamedAs {
  readonly type: string;
  readonly line: (table: TableAt, row: TableRow) => string;
}

/** A client that takes nothing for so long holds no session any longer. */
const PATIENCE_MS = 60_000;

export function streamRows(withStore: WithStore, request: TableRequest, as: StreamedAs): Promise<Response> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  return new Promise((resolve, reject) => {
    const stream = async (): Promise<void> => {
      await withStore((store) =>
        inSourceTransaction(
          store as Parameters<typeof inSourceTransaction>[0],
          async () => {
            const table = await openTable(store, request);
            const headers = {
              'content-type': as.type,
              'cache-control': 'no-store',
              ...positionHeaders(table),
            };
            for await (const page of tableRows(store, table)) {
              resolve(new Response(readable, { headers })); // only the first call counts
              if (page.rows.length > 0) await inTime(writer.write(encode(table, page, as)));
            }
          },
          SNAPSHOT,
        ),
      );
      await writer.close();
    };
    stream().catch((error: unknown) => {
      reject(error);
      writer.abort(error).catch(() => {}); // the client sees an incomplete response
    });
  });
}

function encode(table: TableAt, { rows }: TablePage, as: StreamedAs): Uint8Array {
  return new TextEncoder().encode(rows.map((row) => `${as.line(table, row)}\n`).join(''));
}

/** What a page says in members. */
function positionHeaders({ lsn, final }: TableAt): Record<string, string> {
  return { 'pgtimewarp-lsn': lsn, 'pgtimewarp-final': `${final}` };
}

async function inTime(writing: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TimewarpError('INTERRUPTED', 'The client of a stream did not read on.')),
      PATIENCE_MS,
    );
  });
  try {
    await Promise.race([writing, late]);
  } finally {
    clearTimeout(timer);
  }
}
