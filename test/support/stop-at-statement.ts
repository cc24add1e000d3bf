/**
 * Loaded before the command line in its own process (`node --import`). It names every statement of the run, and stops the
 * process at one of them until the test says how to continue. The points are the statements themselves, so none is forgotten,
 * and the program contains no code for this.
 *
 * STOP_AT is the name of a point; without it every point is reported. Reports go to descriptor 3, one line each. The reply is
 * one letter on descriptor 4: `g` continue, `t` this statement exceeds its time limit, `l` its answer was lost.
 */
import { readSync, writeSync } from 'node:fs';
import pg from 'pg';

const TELL = 3;
const ANSWER = 4;
// without a row in its answer, so that it can also replace a COPY
const TIMED_OUT = 'SET statement_timeout = 1; DO $$ BEGIN PERFORM pg_sleep(5); END $$';

const stopAt = process.env.STOP_AT;
const storePath = new URL(process.env.PGTIMEWARP_STORE_URL!).pathname;
const seen = new Map<string, number>();

/** The argument of a query: a text, a configuration, or an object that uses the connection itself. */
type Statement = string | { text: string; submit?: unknown };
type Query = (this: pg.Client, statement: Statement, ...rest: unknown[]) => unknown;

const original = pg.Client.prototype.query as unknown as Query;

const stopping: Query = function (statement, ...rest) {
  const text = typeof statement === 'string' ? statement : statement.text;
  const name = nameOf(this, text);
  const answer = stop(`${name}, before`);
  if (answer === 't') {
    if (typeof statement === 'string' || statement.submit === undefined)
      return original.call(this, TIMED_OUT);
    statement.text = TIMED_OUT;
  }
  const result = original.call(this, statement, ...rest);
  if (/^COPY/.test(text)) stopInside(result as { flushChunk(chunk: Buffer): boolean }, name);
  // The server has executed the statement; its answer has not been read.
  if (/^COMMIT|pg_replication_slot_advance/.test(text)) {
    return (result as Promise<unknown>).then((rows) => {
      const lost = stop(`${name}, unanswered`);
      return lost === 'l' ? Promise.reject(new Error('Connection terminated unexpectedly')) : rows;
    });
  }
  return result;
};
pg.Client.prototype.query = stopping as unknown as typeof pg.Client.prototype.query;

/** In the middle of COPY: the server has a part and waits for the rest, and holds locks. */
function stopInside(copy: { flushChunk(chunk: Buffer): boolean }, name: string): void {
  const flushChunk = copy.flushChunk.bind(copy);
  let chunks = 0;
  copy.flushChunk = (chunk) => {
    const more = flushChunk(chunk);
    if (++chunks === 2) stop(`${name}, inside`); // the header, and a first part of the rows
    return more;
  };
}

function stop(point: string): string {
  if (stopAt === undefined) {
    writeSync(TELL, `${point}\n`);
    return 'g';
  }
  if (point !== stopAt) return 'g';
  writeSync(TELL, `${point}\n`);
  const answer = Buffer.alloc(1);
  readSync(ANSWER, answer, 0, 1, null);
  return answer.toString();
}

/** `store: UPDATE wal_checkpoints #2` */
function nameOf(session: pg.Client, text: string): string {
  const side = `/${session.database}` === storePath ? 'store' : 'source';
  const verb = /[A-Z]+/.exec(text)?.[0] ?? '';
  const object = /(?<!')pgtimewarp\.(\w+)|\b(pg_(?!catalog\b)\w+|clock_timestamp)/.exec(text);
  const label = `${side}: ${verb}${object === null ? '' : ` ${object[1] ?? object[2]}`}`;
  const count = (seen.get(label) ?? 0) + 1;
  seen.set(label, count);
  return count === 1 ? label : `${label} #${count}`;
}
