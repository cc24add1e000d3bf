/**
 * The keys of a table in their order, with what a question about its rows as of a position needs of each: the last change up to the
 * position, and the first one after it where that decides whether a row that was read was there. For versions between two
 * positions: the last change up to the first, all up to the second, and the first one after it. All units that this needs are
 * read side by side, each in the order of keys, so memory grows with the number of units and not with the table.
 */
import type { Queryable } from '../pg/connection.ts';
import type {
  ArchivedPage,
  ArchivedPageRequest,
  ArchivedTable,
  ArchivedTableWanted,
} from '../query/archived.ts';
import { parseLsn } from '../types/lsn.ts';
import { type ArchiveRow, AT, membersOf } from './columns.ts';
import { compareKeys } from './compare-keys.ts';
import { MOST_CHANGES, tooManyChanges } from './interval-rows.ts';
import { type KnownGroup, readGroupsAfter } from './known-files.ts';
import type { ObjectStore } from './object-store.ts';
import { Budget, type Limits, Ranges } from './ranges.ts';
import { UnitRows } from './unit-rows.ts';

/** Of a page of the answer. */
export const PAGE_LIMITS: Limits = { requests: 10_000, bytes: 256 * 1024 * 1024, gap: 32 * 1024 };

/** So many rows of all units together are read at a time. */
const ROWS_AT_HAND = 60_000;
const [FEWEST_ROWS, MOST_ROWS] = [200, 5_000];

/** Of the letters of a page. */
const PAGE_LETTERS = 8 * 1024 * 1024;

/** What is known of a key, in the order of the history. */
interface KeyRows {
  readonly pk: string;
  readonly rows: readonly ArchiveRow[];
}

export class TableReader implements ArchivedTable {
  readonly #objects: ObjectStore;
  readonly #wanted: ArchivedTableWanted;
  readonly #lsn: bigint;
  readonly #to: bigint;
  readonly #budget: Budget;
  /** Units that begin up to here are read. */
  #through: bigint;
  #units: readonly UnitRows[] | null = null;
  /** Where the units begin that are not read. */
  #later: readonly bigint[] = [];
  /** The key up to which the units are read. */
  #place = '';
  /** Keys that were handed out, and that the answer had no room for. */
  #unused: readonly KeyRows[] = [];

  constructor(objects: ObjectStore, wanted: ArchivedTableWanted, limits: Limits = PAGE_LIMITS) {
    this.#objects = objects;
    this.#wanted = wanted;
    this.#lsn = parseLsn(wanted.lsn);
    this.#to = wanted.to === undefined ? this.#lsn : parseLsn(wanted.to);
    this.#through = wanted.to === undefined ? this.#lsn : parseLsn(wanted.before);
    this.#budget = new Budget(limits);
  }

  get isDear(): boolean {
    return this.#budget.isHalfSpent;
  }

  beginPage(): void {
    this.#budget.renew();
  }

  async page(store: Queryable, request: ArchivedPageRequest): Promise<ArchivedPage> {
    const { after, keys: most } = request;
    const keys = this.#takeUnused(after);
    let isLast = false;
    if (keys.length === 0) {
      if (this.#units === null || this.#place !== after) await this.#open(store, after, request);
      for (let letters = 0; keys.length < most && letters < PAGE_LETTERS; ) {
        const key = await this.#nextKey(store, request);
        isLast = key === null;
        if (key === null) break;
        keys.push(key);
        for (const row of key.rows) for (const text of row) letters += text?.length ?? 0;
      }
      this.#unused = keys;
    }
    return this.#pageOf(keys, after, isLast);
  }

  /** Yields the rows of each key. */
  async *allRows(store: Queryable): AsyncGenerator<readonly ArchiveRow[]> {
    const request = { after: '', keys: MOST_ROWS, goesOn: true };
    await this.#open(store, '', request);
    for (;;) {
      const key = await this.#nextKey(store, request);
      if (key === null) return;
      yield key.rows;
    }
  }

  #pageOf(keys: readonly KeyRows[], after: string, isLast: boolean): ArchivedPage {
    const { relationId, before, lsn, to } = this.#wanted;
    const upto = isLast ? null : keys.at(-1)!.pk;
    const rows = keys.flatMap((key) => key.rows).map(membersOf);
    const part = {
      kind: to === undefined ? 'table' : 'versions',
      relation_id: relationId,
      before,
      from: lsn,
      to: to ?? lsn,
      keys: { after, upto },
      rows,
      damaged: [],
    };
    return { part: JSON.stringify(part), upto };
  }

  /** The keys after `after` that are known already, without what lies between them and `after`. */
  #takeUnused(after: string): KeyRows[] {
    const first = this.#unused.findIndex(({ pk }) => compareKeys(pk, after) > 0);
    const isNext = first > 0 && this.#unused[first - 1]!.pk === after;
    this.#unused = isNext ? this.#unused.slice(first) : [];
    return [...this.#unused];
  }

  /** Begins to read the units after a key. */
  async #open(store: Queryable, after: string, { keys, goesOn }: ArchivedPageRequest): Promise<void> {
    const groups = await readGroupsAfter(store, { ...this.#wanted, after });
    const units = new Map<number, KnownGroup[]>();
    for (const group of groups) {
      if (group.from > this.#through) continue;
      const own = units.get(group.unit);
      if (own === undefined) units.set(group.unit, [group]);
      else own.push(group);
    }
    this.#later = groups.map(({ from }) => from).filter((from) => from > this.#through);
    const wanted = goesOn ? MOST_ROWS : 2 * keys;
    const most = Math.floor(ROWS_AT_HAND / Math.max(1, units.size));
    const rows = Math.max(FEWEST_ROWS, Math.min(MOST_ROWS, wanted, most));
    this.#units = [...units.values()].map(
      (own) => new UnitRows({ groups: own.map((each) => this.#reached(each)), after, rows, goesOn }),
    );
    this.#place = after;
    await Promise.all(this.#units.map((unit) => unit.fill()));
  }

  #reached({ path, sha256, bytes, place }: KnownGroup) {
    const read = (start: number, end: number): Promise<Uint8Array> =>
      this.#objects.getRange(path, sha256, [start, end]);
    return { path, file: new Ranges(bytes, read, this.#budget), place };
  }

  /** The next key that had a change up to the position; null: there is none. */
  async #nextKey(store: Queryable, request: ArchivedPageRequest): Promise<KeyRows | null> {
    for (;;) {
      const pk = this.#smallestKey();
      if (pk === null) return null;
      const { last, inside, next } = await this.#readKey(pk);
      const read = last?.[AT.op] === 'S' && last[AT.readLsn] !== null ? BigInt(last[AT.readLsn]!) : 0n;
      if (this.#later.some((from) => from <= read)) {
        // whether this row had changed before it was read, later units say
        this.#through = read;
        await this.#open(store, this.#place, request);
        continue;
      }
      this.#place = pk;
      const isNextWanted = this.#wanted.to !== undefined || read > this.#lsn;
      const rows = [last, ...inside, isNextWanted ? next : null].filter((row) => row !== null);
      if (last !== null || inside.length > 0) return { pk, rows };
    }
  }

  #smallestKey(): string | null {
    let smallest: string | null = null;
    for (const { head } of this.#units!) {
      const pk = head?.[AT.pk];
      if (pk != null && (smallest === null || compareKeys(pk, smallest) < 0)) smallest = pk;
    }
    return smallest;
  }

  /** The last change of the key up to the position, those up to `to`, and the first one after it. Passes all its rows. */
  async #readKey(pk: string): Promise<{
    readonly last: ArchiveRow | null;
    readonly inside: readonly ArchiveRow[];
    readonly next: ArchiveRow | null;
  }> {
    const inside: ArchiveRow[] = [];
    let last: ArchiveRow | null = null;
    let next: ArchiveRow | null = null;
    for (const unit of this.#units!) {
      for (let row = unit.head; row !== null && row[AT.pk] === pk; row = unit.head) {
        const lsn = BigInt(row[AT.lsn]!);
        if (lsn <= this.#lsn) last = row;
        else if (lsn <= this.#to) inside.push(row);
        else next ??= row;
        if (inside.length > MOST_CHANGES) throw tooManyChanges();
        if (!unit.pass()) await unit.fill();
      }
    }
    return { last, inside, next };
  }
}
