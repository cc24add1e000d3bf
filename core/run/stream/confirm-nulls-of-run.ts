/**
 * Asks the source whether doubtful nulls of a run are NULL. It uses a second session, opened at the first doubtful null, because
 * the peek occupies the first. A null that the source cannot confirm (no right to read the table, a lock on it, a changed table
 * or column) is named incomplete and not shown.
 */
import type pg from 'pg';
import { connectBeside } from '../../pg/connection.ts';
import { sqlState } from '../../pg/database-error.ts';
import { confirmNulls } from '../../source/rows/confirm-nulls.ts';
import type { PendingChange } from '../../types/stored.ts';
import type { ColumnKnownSince } from '../../versions/fill-partial.ts';
import type { ConfirmedNulls, TransactedChange } from '../../versions/settle-nulls.ts';
import type { RelationNow } from '../catalog/tables-of-run.ts';

/** The longest wait for a locked table, because a store transaction is open meanwhile. */
const LIMITS = `SET lock_timeout = '100ms'; SET statement_timeout = '10s'`;

export class NullConfirmer {
  readonly #beside: { readonly source: pg.Client; readonly node: string };
  readonly #relations: ReadonlyMap<number, RelationNow>;
  readonly #knownSince: ColumnKnownSince;
  /** Relations that the source could not answer for: this run does not ask again. */
  readonly #silent = new Set<number>();
  #session: pg.Client | null = null;

  constructor(
    beside: { readonly source: pg.Client; readonly node: string },
    relations: readonly RelationNow[],
    knownSince: ColumnKnownSince,
  ) {
    this.#beside = beside;
    this.#relations = new Map(relations.map((each) => [each.relation.relationId, each]));
    this.#knownSince = knownSince;
  }

  async confirm(changes: readonly TransactedChange[]): Promise<ConfirmedNulls> {
    const confirmed = new Map<PendingChange, ReadonlySet<string>>();
    for (const relationId of new Set(changes.map(({ change }) => change.relationId))) {
      if (this.#silent.has(relationId)) continue;
      const asked = changes.filter(({ change }) => change.relationId === relationId);
      try {
        await this.#ask(relationId, asked, confirmed);
      } catch (error) {
        if (sqlState(error) === undefined) throw error;
        this.#silent.add(relationId);
      }
    }
    return confirmed;
  }

  async close(): Promise<void> {
    await this.#session?.end().catch(() => {});
  }

  async #ask(
    relationId: number,
    asked: readonly TransactedChange[],
    confirmed: Map<PendingChange, ReadonlySet<string>>,
  ): Promise<void> {
    const { relation, facts } = this.#relations.get(relationId)!;
    const key = relation.keyColumns.map((name) => facts?.key.find((column) => column.name === name));
    if (facts === null || key.some((column) => column === undefined)) return;
    const present = new Set(facts.columns.map((column) => column.name));
    const columns = [...new Set(asked.flatMap(({ change }) => change.doubtfulNulls ?? []))];
    const answers = await confirmNulls(
      await this.#open(),
      facts,
      key.map((column) => column!),
      columns.filter((name) => present.has(name)),
      asked.map(({ xid, change }) => ({ xid, key: keyTexts(change.key) })),
    );
    for (const [index, nulls] of answers) {
      const { lsn, change } = asked[index]!;
      // a column that got this name later is a different column
      const own = [...nulls].filter((name) => {
        const since = this.#knownSince(relationId, name);
        return since !== null && since < lsn;
      });
      confirmed.set(change, new Set(own));
    }
  }

  async #open(): Promise<pg.Client> {
    if (this.#session === null) {
      const { source, node } = this.#beside;
      this.#session = await connectBeside(source, { side: 'source', node });
      await this.#session.query(LIMITS);
    }
    return this.#session;
  }
}

/** A canonical key is a JSON array of strings that pgtimewarp wrote. */
function keyTexts(key: string): string[] {
  return JSON.parse(key) as string[];
}
