/**
 * What the commands about many rows share: the options of a page, the interval, and one session of the store in which all pages of
 * an answer are read.
 */
import type { Command } from 'commander';
import { connect, type Queryable } from '../core/pg/connection.ts';
import type { TableName } from '../core/pg/identifiers.ts';
import type { Instant } from '../core/query/instant.ts';
import { allPages } from './all-pages.ts';
import { positiveInteger } from './arguments.ts';
import { type AwaitFlags, askAwaiting, awaitOption } from './awaited.ts';
import type { CommandContext } from './command.ts';
import { type Format, formatOption } from './history-options.ts';
import type { Output } from './output.ts';
import { suggestingTable } from './suggest-table.ts';
import { instantOption, isMoving } from './typed-instant.ts';

export interface PageFlags extends AwaitFlags {
  readonly limit?: number;
  readonly cursor?: string;
  readonly format?: Format;
}

/** Adds --limit, --cursor, --format and --await-lsn. @param limit its description, and its default */
export function pageOptions(
  command: Command,
  limit: readonly [description: string, usual?: number],
): Command {
  const [description, usual] = limit;
  const limited =
    usual === undefined
      ? command.option('--limit <n>', `${description} (default: all)`, positiveInteger)
      : command.option('--limit <n>', description, positiveInteger, usual);
  return awaitOption(
    limited
      .option('--cursor <cursor>', 'go on after an earlier answer: its member `next`')
      .addOption(formatOption()),
  );
}

/**
 * The instant of an option; null without it. With a cursor also where the text means another instant every time (-15m, now): the
 * cursor knows which one its first page was about.
 */
export function asked(
  option: string,
  text: string | undefined,
  { cursor, out }: { readonly cursor: string | undefined; readonly out: Output },
): Instant | null {
  if (text === undefined || (cursor !== undefined && isMoving(text))) return null;
  return instantOption(option, text, out);
}

/** A session of the store for the questions of one command. */
export interface HistorySession {
  ask<T>(question: (store: Queryable) => Promise<T>): Promise<T>;
  /** All pages from the cursor on, up to the limit of the command. */
  askAll<P extends { readonly next: string | null; readonly tier?: 'archive' }, T>(
    items: (page: P) => readonly T[],
    question: (store: Queryable, page: { limit: number; cursor: string | null }) => Promise<P>,
  ): Promise<{ readonly page: P; readonly items: readonly T[] }>;
}

/** @param about the table of the question: if it is not tracked, the error suggests another */
export async function withHistory<T>(
  { settings, signal }: CommandContext,
  { flags, about }: { readonly flags: PageFlags; readonly about?: TableName | undefined },
  body: (session: HistorySession) => Promise<T>,
): Promise<T> {
  const { node } = settings;
  const store = await connect(settings.storeUrl, { side: 'store', node });
  const ask: HistorySession['ask'] = (question) =>
    askAwaiting(store, { node, flags, signal }, () => question(store));
  const session: HistorySession = {
    ask,
    askAll: (items, question) =>
      ask(() =>
        allPages(flags.limit ?? null, items, (limit, cursor) =>
          question(store, { limit, cursor: cursor ?? flags.cursor ?? null }),
        ),
      ),
  };
  try {
    if (about === undefined) return await body(session);
    return await suggestingTable(store, { node, table: about }, () => body(session));
  } finally {
    await store.end().catch(() => {});
  }
}
