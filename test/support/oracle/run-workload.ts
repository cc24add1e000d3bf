/**
 * Runs transactions in concurrent sessions and records the rows of all tables after every commit. An advisory lock is held over
 * a commit and the following read of all tables; otherwise another commit could come in between. Everything before the commit
 * interleaves freely.
 */
import type pg from 'pg';
import { type OracleTable, wholeStateSql } from './oracle-table.ts';
import type { OracleStep, OracleTransaction } from './workload.ts';

/** One commit, in the order of commits. */
export interface OracleCommit {
  readonly xid: string;
  /** WAL positions before and after the commit. */
  readonly before: string;
  readonly after: string;
  /** The differences from the state before: `table key` (see {@link rowId}) to the texts of its columns; null: deleted. */
  readonly changes: ReadonlyMap<string, string | null>;
}

export interface OracleRun {
  /** The rows of the tables before the first transaction. */
  readonly initial: ReadonlyMap<string, string>;
  readonly commits: readonly OracleCommit[];
  /** Transactions that were rolled back, statements that failed inside others, and two-phase commits. */
  readonly rolledBack: number;
  readonly failedStatements: number;
  readonly prepared: number;
}

export interface RunWorkloadOptions {
  readonly tables: readonly OracleTable[];
  /** For tables whose columns change: a query in the form of {@link wholeStateSql} that reads the columns itself. */
  readonly stateSql?: string;
  readonly transactions: readonly OracleTransaction[];
  readonly connect: () => Promise<pg.Client>;
  readonly sessions?: number;
}

/**
 * Advisory locks (objid) of class 0: one over commit and read; one over transactions, shared, or exclusive for those that need
 * to be alone.
 */
const COMMIT_LOCK = '4711';
const GATE_LOCK = '4712';
/** Held by a transaction that locks whole tables; a session that must not overlap with such a transaction holds it (shared). */
export const TABLES_LOCK = '4713';
const LOCK_TIMEOUT = '15ms';
const SESSIONS = 5;

/** Index of the table, and its key as texts in a JSON array. */
export const rowId = (table: number, key: string): string => `${table} ${key}`;

export async function runWorkload(options: RunWorkloadOptions): Promise<OracleRun> {
  const ledger = new Ledger(options.stateSql ?? wholeStateSql(options.tables));
  const resolver = new Resolver(ledger, await options.connect());
  await ledger.readInitial(await options.connect());
  const queue = options.transactions.entries();
  const sessions = Array.from({ length: options.sessions ?? SESSIONS }, async () => {
    const session = await newSession(options);
    // all sessions take from one queue
    for (const [number, transaction] of queue)
      await new Runner(session, ledger, resolver).run(transaction, number);
  });
  await Promise.all(sessions);
  await resolver.finish();
  return ledger.result();
}

/** A time-out ends waits for rows and tables, so a session that waits for the commit lock is never the victim. */
async function newSession(options: RunWorkloadOptions): Promise<pg.Client> {
  const session = await options.connect();
  await session.query(`SET lock_timeout = '${LOCK_TIMEOUT}'; SET deadlock_timeout = '60s'`);
  return session;
}

/** What is recorded. */
class Ledger {
  readonly #stateSql: string;
  #state = new Map<string, string>();
  #initial: ReadonlyMap<string, string> = new Map();
  readonly #commits: OracleCommit[] = [];
  readonly #interned = new Map<string, string>();
  rolledBack = 0;
  failedStatements = 0;
  prepared = 0;

  constructor(stateSql: string) {
    this.#stateSql = stateSql;
  }

  async readInitial(session: pg.Client): Promise<void> {
    this.#state = await this.#read(session);
    this.#initial = new Map(this.#state);
  }

  /** Commits by `sql` and reads all tables, under one lock. */
  async commit(session: pg.Client, sql: string, preparedXid: string | null = null): Promise<void> {
    await session.query(`SET LOCAL lock_timeout = 0; SELECT pg_advisory_lock(${COMMIT_LOCK})`);
    try {
      const { rows } = await session.query<{ xid: string | null; before: string }>(
        'SELECT pg_current_xact_id_if_assigned()::text AS xid, pg_current_wal_insert_lsn() AS before',
      );
      await session.query(sql);
      const { rows: then } = await session.query<{ after: string }>(
        'SELECT pg_current_wal_insert_lsn() AS after',
      );
      // the read must wait for sessions that lock a table for a moment, such as autovacuum
      await session.query('SET lock_timeout = 0');
      const state = await this.#read(session);
      this.#note(preparedXid ?? rows[0]!.xid, rows[0]!.before, then[0]!.after, state);
    } finally {
      await session.query(`SET lock_timeout = '${LOCK_TIMEOUT}'; SELECT pg_advisory_unlock_all()`);
    }
  }

  result(): OracleRun {
    const { rolledBack, failedStatements, prepared } = this;
    return { initial: this.#initial, commits: this.#commits, rolledBack, failedStatements, prepared };
  }

  #note(xid: string | null, before: string, after: string, state: Map<string, string>): void {
    const changes = new Map<string, string | null>();
    for (const [id, texts] of state) if (this.#state.get(id) !== texts) changes.set(id, texts);
    for (const id of this.#state.keys()) if (!state.has(id)) changes.set(id, null);
    this.#state = state;
    if (xid === null) {
      if (changes.size > 0) throw new Error('a commit without a transaction id changed rows');
      return;
    }
    this.#commits.push({ xid, before, after, changes });
  }

  async #read(session: pg.Client): Promise<Map<string, string>> {
    const { rows } = await session.query<[number, string, string]>({
      text: this.#stateSql,
      rowMode: 'array',
    });
    return new Map(rows.map(([table, key, texts]) => [this.#intern(rowId(table, key)), this.#intern(texts)]));
  }

  #intern(text: string): string {
    const known = this.#interned.get(text);
    if (known !== undefined) return known;
    this.#interned.set(text, text);
    return text;
  }
}

/** Ends prepared transactions while others run, in its own session. */
class Resolver {
  readonly #ledger: Ledger;
  readonly #session: pg.Client;
  #last: Promise<void> = Promise.resolve();

  constructor(ledger: Ledger, session: pg.Client) {
    this.#ledger = ledger;
    this.#session = session;
  }

  take(gid: string, xid: string, commit: boolean): void {
    this.#last = this.#last.then(async () => {
      if (commit) await this.#ledger.commit(this.#session, `COMMIT PREPARED '${gid}'`, xid);
      else await this.#session.query(`ROLLBACK PREPARED '${gid}'`);
    });
    this.#last.catch(() => {}); // reported by finish()
  }

  finish(): Promise<void> {
    return this.#last;
  }
}

/** One transaction in one session. */
class Runner {
  readonly #session: pg.Client;
  readonly #ledger: Ledger;
  readonly #resolver: Resolver;
  #depth = 0;

  constructor(session: pg.Client, ledger: Ledger, resolver: Resolver) {
    this.#session = session;
    this.#ledger = ledger;
    this.#resolver = resolver;
  }

  async run(transaction: OracleTransaction, number: number): Promise<void> {
    const session = this.#session;
    const alone = transaction.steps.some((step) => step.kind === 'sql' && step.alone);
    const gate = alone ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared';
    await session.query(
      `BEGIN; SET LOCAL lock_timeout = 0; SELECT ${gate}(${GATE_LOCK}); SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`,
    );
    // A session that has committed may still be reading: a TRUNCATE waits for it here, before it locks the table.
    const holdsCommits = alone || transaction.steps.some((step) => step.kind === 'sql' && step.holdsCommits);
    if (holdsCommits)
      await session.query(
        `SET LOCAL lock_timeout = 0; SELECT pg_advisory_lock(${TABLES_LOCK}), pg_advisory_lock(${COMMIT_LOCK})`,
      );
    if (!alone) await session.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`); // others hold locks and wait for us
    try {
      for (const step of transaction.steps) await this.#step(step, transaction.guarded);
    } catch {
      await this.#undo();
      return;
    }
    await this.#end(
      holdsCommits && transaction.ending !== 'rollback' ? 'commit' : transaction.ending,
      number,
    );
  }

  async #end(ending: OracleTransaction['ending'], number: number): Promise<void> {
    if (ending === 'commit') return this.#ledger.commit(this.#session, 'COMMIT');
    if (ending === 'rollback') return this.#undo();
    const { rows } = await this.#session.query<{ xid: string | null }>(
      'SELECT pg_current_xact_id_if_assigned()::text AS xid',
    );
    if (rows[0]!.xid === null) return this.#undo(); // nothing was changed, so there is nothing to prepare
    const gid = `oracle_${rows[0]!.xid}_${number}`;
    await this.#session.query(`PREPARE TRANSACTION '${gid}'`);
    this.#ledger.prepared++;
    this.#resolver.take(gid, rows[0]!.xid, ending === 'prepare-commit');
  }

  async #undo(): Promise<void> {
    this.#ledger.rolledBack++;
    await this.#session.query('ROLLBACK');
    await this.#session.query('SELECT pg_advisory_unlock_all()');
  }

  async #step(step: OracleStep, guarded: boolean): Promise<void> {
    const session = this.#session;
    switch (step.kind) {
      case 'savepoint':
        await session.query(`SAVEPOINT s${++this.#depth}`);
        break;
      case 'rollback-to':
        if (this.#depth > 0) await session.query(`ROLLBACK TO SAVEPOINT s${this.#depth}`);
        break;
      case 'release':
        if (this.#depth > 0) await session.query(`RELEASE SAVEPOINT s${this.#depth--}`);
        break;
      case 'sql':
        if (!guarded) await session.query(step.sql);
        else {
          await session
            .query(`SAVEPOINT guard; ${step.sql}; RELEASE SAVEPOINT guard`)
            .catch(async (error: unknown) => {
              this.#ledger.failedStatements++;
              await session.query('ROLLBACK TO SAVEPOINT guard').catch(() => {
                throw error;
              });
            });
        }
    }
  }
}
