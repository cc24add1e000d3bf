/**
 * Questions about many rows against a model: random transactions on two tables (one partitioned), with a table whose tracking
 * ends and begins anew in the middle, and random filters, intervals and sizes of pages. HISTORY_ORACLE_SEED repeats a run,
 * HISTORY_ORACLE_TRANSACTIONS makes it longer, HISTORY_ORACLE_QUESTIONS asks more or fewer questions, HISTORY_ORACLE_SURFACES=all
 * asks every question on every surface.
 */
import { expect, test } from 'vitest';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import { changes, type HistoryChange } from '../../../core/query/changes.ts';
import { findRows } from '../../../core/query/find.ts';
import type { HistoryFrame } from '../../../core/query/history-page.ts';
import { type Instant, parseInstant } from '../../../core/query/instant.ts';
import { transactionChanges, transactions } from '../../../core/query/transactions.ts';
import { changeText, foundText, transactionChangeText, transactionText } from '../../../documents/history.ts';
import { describeNeeding } from '../../support/needs.ts';
import { frameCodes, type HistoryInSql, historyInSql } from '../../support/oracle/history-in-sql.ts';
import {
  byKeyText,
  HistoryModel,
  MODEL_SQL,
  type ModelChange,
  type ModelRow,
  type ModelTable,
} from '../../support/oracle/history-model.ts';
import {
  cliSurface,
  type HistorySurface,
  httpSurface,
  type Page,
  readExactly,
  type Told,
} from '../../support/oracle/history-surfaces.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { random } from '../../support/retention-twins.ts';
import { runCli } from '../../support/run-cli.ts';
import { type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TRANSACTIONS = Number.parseInt(process.env.HISTORY_ORACLE_TRANSACTIONS ?? '200', 10);
const SEED = Number.parseInt(process.env.HISTORY_ORACLE_SEED ?? `${Math.floor(Math.random() * 2 ** 31)}`, 10);
const ALL_SURFACES = process.env.HISTORY_ORACLE_SURFACES === 'all';
const QUESTIONS = Number.parseInt(
  process.env.HISTORY_ORACLE_QUESTIONS ?? `${Math.max(60, Math.floor(TRANSACTIONS / 3))}`,
  10,
);

type Pick = (below: number) => number;

interface Commit {
  readonly lsn: string;
  readonly ts: string;
}

/** Each with how often it is asked: every so many questions. */
type Surfaces = readonly (readonly [surface: HistorySurface, every: number])[];

/** What the model says of everything that was tracked, in the words of the history. */
class Oracle {
  readonly node: TrackedNode;
  readonly model: HistoryModel;
  readonly pick: Pick;
  /** The commits of the model's transactions; null: while `m` was not tracked only `m` changed. */
  readonly commits: readonly (Commit | null)[];
  /** Transactions in which changes of `m` were lost: [first, last). */
  readonly lost: readonly [number, number];
  readonly sql: SqlSource;
  readonly #surfaces: Surfaces;
  #asked = 0;

  constructor(
    node: TrackedNode,
    model: HistoryModel,
    pick: Pick,
    known: {
      readonly commits: readonly (Commit | null)[];
      readonly lost: readonly [number, number];
      readonly sql: SqlSource;
      readonly surfaces: Surfaces;
    },
  ) {
    this.node = node;
    this.model = model;
    this.pick = pick;
    this.commits = known.commits;
    this.lost = known.lost;
    this.sql = known.sql;
    this.#surfaces = known.surfaces;
  }

  /** HTTP and the command line, a sample of the questions each, give the very same items, and the same frame. */
  async alsoByOthers(
    { texts, frame }: { readonly texts: readonly string[]; readonly frame: HistoryFrame },
    ask: (surface: HistorySurface, page: Page) => Promise<Told>,
  ): Promise<void> {
    const number = this.#asked++;
    const size = 1 + this.pick(this.pick(3) === 0 ? 500 : 12);
    for (const [surface, every] of this.#surfaces) {
      if (!ALL_SURFACES && number % every !== every - 1) continue;
      const limit = Math.max(size, surface.smallestPage);
      const items: unknown[] = [];
      for (let cursor: string | null = null; ; ) {
        const page = await ask(surface, { limit, cursor });
        expect(page.items.length).toBeLessThanOrEqual(limit);
        items.push(...page.items);
        cursor = page.next;
        if (cursor !== null) continue;
        expect(items, surface.name).toEqual(readExactly(`[${texts.join()}]`));
        const { final, unknownText } = frame;
        const told = { final: page.final, unknown: page.unknown };
        expect(told, surface.name).toEqual({ final, unknown: readExactly(unknownText) });
        break;
      }
    }
  }

  /** The functions on the source give the very same rows, or so many of them, and say the same of the interval. */
  async alsoInSql<T extends object>(
    items: readonly T[],
    frame: HistoryFrame,
    ask: (sql: HistoryInSql, limit: number | undefined) => Promise<unknown[]>,
  ): Promise<void> {
    const limit = this.pick(4) === 0 ? 1 + this.pick(10) : undefined;
    this.sql.warnings();
    const answer = await ask(historyInSql(this.node.source), limit);
    expect(answer).toEqual(items.slice(0, limit));
    expect(this.sql.warnings().map(({ code }) => code)).toEqual(frameCodes(frame));
  }

  isKept(table: ModelTable, index: number): boolean {
    return table !== 'm' || index < this.lost[0] || index >= this.lost[1];
  }

  /** After this many transactions, as an instant; by LSN only where all is known. */
  instant(count: number): Instant | null {
    if (count === 0) return null;
    const commit = this.commits[count - 1]!;
    return parseInstant(this.pick(2) === 0 ? commit.ts : commit.lsn);
  }

  /** A number of transactions whose end is a commit of the history. */
  count(from = 0): number {
    for (;;) {
      const count = from + this.pick(this.commits.length - from + 1);
      if (count === 0 || this.commits[count - 1] !== null) return count;
    }
  }
}

function one<T>(pick: Pick, items: readonly T[]): T {
  return items[pick(items.length)]!;
}

/** A filter as the question has it and as the model applies it. */
interface ModelFilter {
  readonly where?: Record<string, string>;
  readonly matches: (row: ModelRow | null) => boolean;
}

function where(pick: Pick): ModelFilter {
  switch (pick(5)) {
    case 0: {
      const v = pick(4);
      return { where: { v: `${v}` }, matches: (row) => row?.v === v };
    }
    case 1: {
      const n = one(pick, ['1', '1.0', '2.5', '-0.10']);
      const value = Number.parseFloat(n);
      return {
        where: { n },
        matches: (row) => row !== null && row.n !== null && Number.parseFloat(row.n) === value,
      };
    }
    case 2: {
      const s = one(pick, ['a', 'it\'s "x", y', '', 'ä\u0001', 'first']);
      return {
        where: { s, n: '1' },
        matches: (row) => row?.s === s && row.n !== null && Number.parseFloat(row.n) === 1,
      };
    }
    case 3: {
      const id = 1 + pick(19);
      return { where: { id: `${id}` }, matches: (row) => row?.id === id };
    }
    default:
      return { matches: () => true };
  }
}

const rowText = (row: ModelRow | null): string =>
  row === null ? '-' : JSON.stringify([row.id, row.v, row.n, row.s]);

/** A stored row in the same words; numerics keep their digits because they are read from the text. */
function storedText(text: string | null): string {
  if (text === null) return '-';
  const n = /"n"\s*:\s*(null|-?[\d.]+)/.exec(text)![1]!;
  const row = JSON.parse(text) as { id: number; v: number | null; s: string | null };
  return JSON.stringify([row.id, row.v, n === 'null' ? null : n, row.s]);
}

function changedNames({ before, after }: ModelChange): string[] {
  if (before === null || after === null) return [];
  return (['id', 'v', 'n', 's'] as const).filter((name) => before[name] !== after[name]);
}

const storedLine = (change: HistoryChange): string =>
  [
    change.op,
    storedText(change.beforeText),
    storedText(change.afterText),
    change.changedText === null
      ? '-'
      : Object.keys(JSON.parse(change.changedText) as object)
          .sort()
          .join(),
  ].join(' ');

const modelLine = (change: ModelChange): string =>
  [
    change.op,
    rowText(change.before),
    rowText(change.after),
    change.op === 'U' ? changedNames(change).sort().join() : '-',
  ].join(' ');

/** All pages of random size. */
async function allOf<P extends { readonly next: string | null }, T>(
  pick: Pick,
  items: (page: P) => readonly T[],
  ask: (limit: number, cursor: string | null) => Promise<P>,
): Promise<{ items: T[]; last: P }> {
  const limit = 1 + pick(pick(3) === 0 ? 500 : 12);
  const found: T[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: P = await ask(limit, cursor);
    expect(items(page).length).toBeLessThanOrEqual(limit);
    found.push(...items(page));
    cursor = page.next;
    if (cursor === null) return { items: found, last: page };
  }
}

/** The ends of an interval as they are written. */
function interval(ends: { readonly from: Instant | null; readonly to: Instant | null }): {
  from: string | null;
  to: string | null;
} {
  const text = (end: Instant | null): string | null =>
    end === null || end.kind === 'now' ? null : end.requested;
  return { from: text(ends.from), to: text(ends.to) };
}

async function askChanges(oracle: Oracle): Promise<void> {
  const { node, model, pick } = oracle;
  const table = one<ModelTable>(pick, ['m', 'parts']);
  const first = oracle.count();
  const last = oracle.count(first);
  const { where: values, matches } = where(pick);
  const net = pick(3) === 0;
  const kinds = net ? [['I'], ['U', 'D']] : [['I'], ['U', 'D'], ['T'], ['D', 'T']];
  const ops = pick(3) === 0 ? one(pick, kinds) : null;
  const user = pick(3) === 0 ? one(pick, ['ann', 'bob']) : null;
  const changed = pick(4) === 0 ? one(pick, [['v'], ['n', 's'], ['id']]) : null;
  const filter = {
    ...(values === undefined ? {} : { where: values }),
    ...(ops === null ? {} : { op: ops }),
    ...(user === null ? {} : { by: { 'who.user': user, 'dotted.key': 'yes' } }),
    ...(changed === null ? {} : { changed }),
  };
  const request = {
    node: node.node,
    table: parseTableName(table),
    from: oracle.instant(first),
    to: oracle.instant(last),
    net,
    filter,
  };
  if (request.to === null && last === 0) return; // an end before the first commit cannot be named so
  // what a row was where nothing is known is no question with an answer
  const isLost = (count: number): boolean => count > oracle.lost[0] && count <= oracle.lost[1];
  if (net && table === 'm' && (isLost(first) || isLost(last))) return;
  const { items, last: page } = await allOf(
    pick,
    (each: Awaited<ReturnType<typeof changes>>) => each.changes,
    (limit, cursor) => changes(node.store, { ...request, limit, cursor }),
  );
  const within = model.transactions
    .map((transaction, index) => ({ transaction, index }))
    .slice(first, last)
    .filter(({ index }) => oracle.isKept(table, index));
  const isBy = (who: string | null): boolean => user === null || who === user;
  let expected: ModelChange[];
  if (net) {
    const [was, is] = [model.states[first]![table], model.states[last]![table]];
    const touched = new Set(
      within.flatMap(({ transaction }) =>
        isBy(transaction.user)
          ? transaction.changes.filter((each) => each.table === table).map(({ id }) => id)
          : [],
      ),
    );
    expected = [...new Set([...was.keys(), ...is.keys()])].sort(byKeyText).flatMap((id): ModelChange[] => {
      const [before, after] = [was.get(id) ?? null, is.get(id) ?? null];
      if (rowText(before) === rowText(after) || (user !== null && !touched.has(id))) return [];
      return [{ table, op: before === null ? 'I' : after === null ? 'D' : 'U', id, before, after }];
    });
  } else
    expected = within.flatMap(({ transaction }) =>
      isBy(transaction.user) ? transaction.changes.filter((each) => each.table === table) : [],
    );
  expected = expected.filter(
    (change) =>
      (ops === null || ops.includes(change.op)) &&
      (matches(change.before) || matches(change.after)) &&
      (changed === null ||
        (change.op === 'U' && changed.some((name) => changedNames(change).includes(name)))),
  );
  expect(items.map(storedLine), JSON.stringify({ ...request, from: first, to: last })).toEqual(
    expected.map(modelLine),
  );
  await oracle.alsoInSql(items, page, (sql, limit) => sql.changes({ ...request, limit }));
  await oracle.alsoByOthers({ texts: items.map(changeText), frame: page }, (surface, each) =>
    surface.changes({ ...filter, net, table, ...interval(request) }, each),
  );
  // a gap between the two periods of `m` is told wherever the interval reaches into it
  const touchesGap = table === 'm' && first < oracle.lost[1] && last > oracle.lost[0];
  if (touchesGap) expect(page.unknownText).toContain('in_gap');
  else if (table === 'parts') expect(page.unknownText).toBe('[]');
}

async function askTransactions(oracle: Oracle): Promise<void> {
  const { node, model, pick } = oracle;
  const first = oracle.count();
  const last = oracle.count(first);
  if (last === 0) return;
  const table = pick(2) === 0 ? one<ModelTable>(pick, ['m', 'parts']) : null;
  const ops = pick(3) === 0 ? one(pick, [['I'], ['U', 'D'], ['T']]) : null;
  const user = pick(3) === 0 ? one(pick, ['ann', 'bob']) : null;
  const minRows = pick(3) === 0 ? 1 + pick(5) : null;
  const filter = {
    ...(table === null ? {} : { table: parseTableName(table) }),
    ...(ops === null ? {} : { op: ops }),
    ...(user === null ? {} : { by: { 'who.user': user } }),
    ...(minRows === null ? {} : { minRows }),
  };
  const request = { node: node.node, from: oracle.instant(first), to: oracle.instant(last), filter };
  const { items, last: page } = await allOf(
    pick,
    (each: Awaited<ReturnType<typeof transactions>>) => each.transactions,
    (limit, cursor) => transactions(node.store, { ...request, limit, cursor }),
  );
  const expected = model.transactions
    .map(({ xid, user: who, changes: all, truncates }, index) => {
      const kept = all.filter((change) => change.op !== 'T' && oracle.isKept(change.table, index));
      const emptied = truncates.filter((each) => oracle.isKept(each, index));
      const names = [...new Set([...kept.map((change) => change.table), ...emptied])].sort();
      const has = (name: ModelTable): boolean =>
        ops === null ||
        kept.some((change) => change.table === name && ops.includes(change.op)) ||
        (ops.includes('T') && emptied.includes(name));
      const isMeant =
        names.some((name) => (table === null || name === table) && has(name)) &&
        (user === null || who === user) &&
        (minRows === null || kept.length >= minRows || emptied.length > 0);
      const count = (name: ModelTable, op: string): number =>
        kept.filter((change) => change.table === name && change.op === op).length;
      const tables = names.map((name) => ({
        schema: 'public',
        table: name,
        inserts: count(name, 'I'),
        updates: count(name, 'U'),
        deletes: count(name, 'D'),
        truncates: emptied.filter((each) => each === name).length,
      }));
      return { xid, isMeant, tables, rows: `${kept.length}` };
    })
    .slice(first, last)
    .filter(({ isMeant }) => isMeant)
    .reverse()
    .map(({ xid, tables, rows }) => ({ xid, tables, rows }));
  expect(
    items.map(({ xid, tablesText, rows }) => ({ xid, tables: JSON.parse(tablesText) as unknown, rows })),
    JSON.stringify({ ...filter, from: first, to: last }),
  ).toEqual(expected);
  await oracle.alsoInSql(
    items.map(({ lsnSpace: _, ...summary }) => summary),
    page,
    (sql, limit) => sql.transactions({ ...request, limit }),
  );
  await oracle.alsoByOthers({ texts: items.map(transactionText), frame: page }, (surface, each) =>
    surface.transactions({ ...filter, table: table ?? undefined, ...interval(request) }, each),
  );
  const chosen = items[pick(items.length || 1)];
  if (chosen !== undefined) await askTransaction(oracle, chosen.xid, chosen.lsn);
}

async function askTransaction(oracle: Oracle, xid: string, lsn: string): Promise<void> {
  const { node, model, pick } = oracle;
  const index = model.transactions.findIndex((each) => each.xid === xid);
  const filter = pick(2) === 0 ? { xid } : { lsn };
  const byIdentity = await transactions(node.store, {
    node: node.node,
    from: null,
    to: null,
    filter,
    limit: 10,
  });
  const { transactions: matches } = byIdentity;
  expect(matches.map((each) => [each.xid, each.lsn])).toEqual([[xid, lsn]]);
  const { items, last: page } = await allOf(
    pick,
    (each: Awaited<ReturnType<typeof transactionChanges>>) => each.changes,
    (limit, cursor) =>
      transactionChanges(node.store, { node: node.node, transaction: matches[0]!, limit, cursor }),
  );
  await oracle.alsoInSql(items, page, (sql, limit) =>
    sql.transaction(lsn).then((changes) => changes.slice(0, limit)),
  );
  // of 64 bits of a number the log has the lower 32
  const identity = pick(2) === 0 ? { lsn } : { xid: pick(2) === 0 ? xid : `${BigInt(xid) + 2n ** 32n}` };
  await oracle.alsoByOthers({ texts: items.map(transactionChangeText), frame: page }, (surface, each) =>
    surface.transaction(identity, each),
  );
  for (const table of ['m', 'parts'] as const)
    expect(items.filter((change) => change.table === table).map(storedLine), `transaction ${xid}`).toEqual(
      model.transactions[index]!.changes.filter(
        (change) => change.table === table && oracle.isKept(table, index),
      ).map(modelLine),
    );
}

async function askFind(oracle: Oracle): Promise<void> {
  const { node, model, pick } = oracle;
  const { where: values, matches } = where(pick);
  if (values === undefined) return;
  const table = one<ModelTable>(pick, ['m', 'parts']);
  const first = oracle.count();
  const isInstant = pick(2) === 0;
  const last = isInstant ? first : oracle.count(first);
  // within the lost transactions nothing is known of `m`; as of the last of them, it is not tracked again yet
  const [lostFrom, lostTo] = oracle.lost;
  if (first === 0 || (table === 'm' && first < lostTo + (isInstant ? 1 : 0) && last >= lostFrom)) return;
  const request = {
    node: node.node,
    table: parseTableName(table),
    where: values,
    at: isInstant ? oracle.instant(first) : null,
    from: isInstant ? null : oracle.instant(first),
    to: isInstant ? null : oracle.instant(last),
  };
  const { items, last: page } = await allOf(
    pick,
    (each: Awaited<ReturnType<typeof findRows>>) => each.rows,
    (limit, cursor) => findRows(node.store, { ...request, limit, cursor }),
  );
  const expected: string[] = [];
  for (const id of Array.from({ length: 20 }, (_, place) => place + 1).sort(byKeyText)) {
    for (let at = first; at <= last; at++) {
      const row = model.states[at]![table].get(id) ?? null;
      const isNew =
        at === first ||
        model.transactions[at - 1]!.changes.some((change) => change.table === table && change.id === id);
      if (isNew && row !== null && matches(row)) expected.push(rowText(row));
    }
  }
  expect(
    items.map((item) => storedText(item.rowText)),
    JSON.stringify({ table, values, first, last }),
  ).toEqual(expected);
  await oracle.alsoInSql(items, page, (sql, limit) => sql.find({ ...request, limit }));
  const { from: at } = interval({ from: request.at, to: null });
  await oracle.alsoByOthers({ texts: items.map(foundText), frame: page }, (surface, each) =>
    surface.find({ table, where: values, at, ...interval(request) }, each),
  );
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `the history against a model (${plugin})`, () => {
    test(`seed ${SEED}, ${TRANSACTIONS} transactions`, {
      timeout: 120_000 + TRANSACTIONS * (ALL_SURFACES ? 5_000 : 300),
    }, async () => {
      const node = await trackedNode({ plugin, tables: MODEL_SQL });
      await using sql = await sqlSource(node); // disposed of after the node: its login belongs to the server
      await using _ = node;
      const pick = random(SEED);
      const model = await HistoryModel.begin(node.source, pick);
      await node.track('m', { noNan: true }); // wal2json is not sure of a numeric NULL otherwise
      await node.track('parts', { noNan: true });
      const happen = async (times: number): Promise<void> => {
        for (let left = times; left > 0; left--) {
          await model.happen();
          if (pick(20) === 0) await node.catchUp(pick(2) === 0 ? undefined : 7);
        }
        await node.poll();
      };
      await happen(Math.floor(TRANSACTIONS / 2));
      const lostFrom = model.transactions.length;
      expect(await runCli(['untrack', 'm'], { env: node.env })).toMatchObject({ code: 0 });
      await happen(5);
      const lostTo = model.transactions.length;
      await node.track('m', { noNan: true });
      await happen(Math.floor(TRANSACTIONS / 2));

      const { rows } = await node.store.query<{ xid: string; lsn: string; ts: string }>(
        `SELECT xid::text, lsn::text, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
           FROM pgtimewarp.lsn_time_map WHERE node_id = $1 AND xid IS NOT NULL`,
        [node.node],
      );
      await using http = await httpSurface(node);
      const byXid = new Map(rows.map((row) => [row.xid, row]));
      const commits = model.transactions.map(({ xid }) => byXid.get(xid) ?? null);
      const oracle = new Oracle(node, model, pick, {
        ...{ commits, lost: [lostFrom, lostTo], sql },
        surfaces: [
          [http, 4],
          [cliSurface(node), 41],
        ],
      });
      for (let asked = 0; asked < QUESTIONS; asked++) {
        await askChanges(oracle);
        await askTransactions(oracle);
        await askFind(oracle);
      }
    });
  });
}
