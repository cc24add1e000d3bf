/**
 * Surfaces on which one can ask about many rows, each as an object with the same questions: HTTP, the command line. The oracle asks
 * them what it has asked core, whose answer the model has judged. (history-in-sql.ts is the surface on the source.)
 */
import { expect } from 'vitest';
import { listen } from '../../../cli/serve/listen.ts';
import { openReadPool } from '../../../cli/serve/read-pool.ts';
import { createApp } from '../../../http/app.ts';
import { runCli } from '../run-cli.ts';
import type { TrackedNode } from '../tracked-node.ts';

export type Values = Readonly<Record<string, string>>;

/** Instants are RFC 3339 or LSNs; null: not named. */
export interface Interval {
  readonly from: string | null;
  readonly to: string | null;
}

export interface ChangesQuestion extends Interval {
  readonly table: string;
  readonly net: boolean;
  readonly where?: Values;
  readonly changed?: readonly string[];
  readonly by?: Values;
  readonly op?: readonly string[];
}

export interface TransactionsQuestion extends Interval {
  readonly table?: string | undefined;
  readonly by?: Values;
  readonly op?: readonly string[];
  readonly minRows?: number;
}

export interface FindQuestion extends Interval {
  readonly table: string;
  readonly where: Values;
  readonly at: string | null;
}

export type Identity = { readonly xid: string } | { readonly lsn: string };

export interface Page {
  readonly limit: number;
  readonly cursor: string | null;
}

/** A page as a surface tells it: changes, transactions or rows with their numbers as texts. */
export interface Told {
  readonly items: readonly unknown[];
  readonly next: string | null;
  readonly unknown: unknown;
  readonly final: boolean;
}

export interface HistorySurface {
  readonly name: string;
  /** The smallest page that is asked for here: a page of the command line is a process. */
  readonly smallestPage: number;
  changes(question: ChangesQuestion, page: Page): Promise<Told>;
  transactions(question: TransactionsQuestion, page: Page): Promise<Told>;
  /** Its changes. */
  transaction(identity: Identity, page: Page): Promise<Told>;
  find(question: FindQuestion, page: Page): Promise<Told>;
}

/** A page from its document, whose items are in one of three members. */
function told(text: string): Told {
  const page = readExactly(text) as Omit<Told, 'items'> &
    Partial<Record<'changes' | 'transactions' | 'rows', readonly unknown[]>>;
  const { next, unknown, final } = page;
  // `rows` of one transaction is their number
  const items = page.changes ?? page.transactions ?? page.rows ?? expect.unreachable(text.slice(0, 500));
  return { items, next, unknown, final };
}

/** JSON with its numbers as texts: every digit counts. */
export function readExactly(text: string): unknown {
  const exact = JSON as unknown as {
    parse(text: string, reviver: (name: string, value: unknown, at: { source: string }) => unknown): unknown;
  };
  return exact.parse(text, (_, value, { source }) => (typeof value === 'number' ? source : value));
}

/** The HTTP API on a socket of its own. */
export async function httpSurface({
  node,
  storeUrl,
}: TrackedNode): Promise<HistorySurface & AsyncDisposable> {
  const pool = openReadPool(storeUrl);
  const app = createApp({
    withStore: pool.withStore,
    report: (error) => expect.unreachable(`${error.code}: ${error.message}`),
  });
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  const ask = async (path: string, parameters: object): Promise<Told> => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      if (value === undefined || value === null) continue;
      if (name === 'where' || name === 'by')
        for (const [each, wanted] of Object.entries(value as Values)) query.set(`${name}.${each}`, wanted);
      else query.set(name, String(value));
    }
    const response = await fetch(`${server.url}/v1/nodes/${node}/${path}?${query}`);
    const text = await response.text();
    expect(response.status, `${path}?${query} ${text.slice(0, 500)}`).toBe(200);
    return told(text);
  };
  const surface: HistorySurface = {
    name: 'http',
    smallestPage: 1,
    changes: ({ table, ...question }, page) =>
      ask(`tables/public.${table}/changes`, { ...question, ...page }),
    transactions: ({ table, minRows, ...question }, page) =>
      ask('transactions', {
        ...{ ...question, ...page, min_rows: minRows },
        table: table === undefined ? undefined : `public.${table}`,
      }),
    transaction: async (identity, page) => {
      if ('lsn' in identity) return await ask(`transactions/${identity.lsn.replace('/', '-')}`, page);
      const { items } = await ask('transactions', identity);
      expect(items).toHaveLength(1);
      const [{ lsn }] = items as [{ readonly lsn: string }];
      return await ask(`transactions/${lsn.replace('/', '-')}`, page);
    },
    find: ({ table, ...question }, page) => ask(`tables/public.${table}/find`, { ...question, ...page }),
  };
  return {
    ...surface,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
    },
  };
}

/** The command line, a process for each page. */
export function cliSurface({ env }: TrackedNode): HistorySurface {
  const ask = async (words: readonly string[], options: object): Promise<Told> => {
    const flags = Object.entries(options).flatMap(([name, value]) => {
      if (value === undefined || value === null || value === false) return [];
      if (value === true) return [`--${name}`];
      if (name === 'where' || name === 'by')
        return Object.entries(value as Values).map((pair) => `--${name}=${pair.join('=')}`);
      return [`--${name}=${value}`];
    });
    const { code, stdout, stderr } = await runCli([...words, ...flags, '--json'], {
      env,
      timeoutMs: 120_000,
    });
    // 4: not every row is known at that time
    expect([0, 4], `${words.join(' ')} ${flags.join(' ')} ${stderr}`).toContain(code);
    return told(stdout);
  };
  return {
    name: 'command line',
    smallestPage: 100,
    changes: ({ table, ...question }, page) => ask(['changes', table], { ...question, ...page }),
    transactions: ({ minRows, from, ...question }, page) =>
      ask(['transactions'], {
        ...{ ...question, ...page, 'min-rows': minRows },
        from: from ?? '2000-01-01T00:00:00Z', // the default is the last hour
      }),
    transaction: (identity, page) => ask(['transaction', ...Object.values(identity)], page),
    find: ({ table, ...question }, page) => ask(['find', table], { ...question, ...page }),
  };
}
