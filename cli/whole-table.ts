/**
 * `asof TABLE --all`: every row of a table as it was at an instant. Rows are printed while pages are read from one snapshot of
 * the store. With --json they are kept in a temporary file until the end, because stdout must contain one document even if a
 * later row fails.
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { connect, type Queryable } from '../core/pg/connection.ts';
import { formatTableName, type TableName } from '../core/pg/identifiers.ts';
import { inSourceTransaction } from '../core/pg/transaction.ts';
import { type Instant, instantParameters, NOW } from '../core/query/instant.ts';
import { openTable, SNAPSHOT, type TableAt, type TableRow, tableRows } from '../core/query/table-rows.ts';
import { assumesText, csvHeader, csvRow, rowObjectText, tableFrameText } from '../documents/table-rows.ts';
import { readArchive } from './archive-reader.ts';
import { type AwaitFlags, askAwaiting } from './awaited.ts';
import type { CommandContext } from './command.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { fromFileError } from './file-error.ts';
import { type Format, type UNKNOWN_CHOICES, whereValues } from './history-options.ts';
import type { Output } from './output.ts';
import { renderRows, renderTableHeading } from './render/table-rows.ts';
import { suggestingTable } from './suggest-table.ts';
import { instantOption } from './typed-instant.ts';

export interface TableFlags extends AwaitFlags {
  readonly at?: string;
  readonly where?: readonly string[];
  readonly columns?: readonly string[];
  readonly format?: Format;
  readonly unknown?: (typeof UNKNOWN_CHOICES)[number];
}

export async function askWholeTable(
  { settings, out, signal }: CommandContext,
  table: TableName,
  flags: TableFlags,
): Promise<ExitCode> {
  if (out.json && flags.format !== undefined && flags.format !== 'table')
    throw new TimewarpError('BAD_FLAGS', '--json and --format are two forms of one answer.');
  const at = flags.at === undefined || flags.at === 'now' ? NOW : instantOption('--at', flags.at, out);
  const { node } = settings;
  const request = {
    node,
    table,
    at,
    where: whereValues(flags.where) ?? {},
    columns: flags.columns ?? null,
    unknown: flags.unknown ?? 'error',
    readArchive,
  };
  const store = await connect(settings.storeUrl, { side: 'store', node });
  try {
    await suggestingTable(store, request, () =>
      askAwaiting(store, { node, flags, signal }, () =>
        inSourceTransaction(
          store,
          async () => {
            const opened = await openTable(store, request);
            await write({ out, signal, table: opened, store, at, format: flags.format ?? 'table' });
          },
          SNAPSHOT,
        ),
      ),
    );
    return EXIT.done;
  } finally {
    await store.end().catch(() => {});
  }
}

interface Writing extends RowSource {
  readonly out: Output;
  readonly at: Instant;
  readonly format: Format;
}

export interface RowSource {
  readonly signal: AbortSignal;
  readonly table: TableAt;
  readonly store: Queryable;
}

/** The counts made while rows were printed. */
export interface Written {
  readonly rows: number;
  readonly skipped: number;
  readonly dropped: readonly string[];
  readonly isAssumed: boolean;
}

async function write(writing: Writing): Promise<void> {
  const { out, format, at, table } = writing;
  const requested = instantParameters(at)[2];
  if (out.json) {
    await writeDocument(writing);
    return;
  }
  if (format === 'table') {
    out.say(renderTableHeading(table, requested, out));
    const written = await writeRows(writing, (rows) => out.say(renderRows(table, rows, out)));
    if (written.rows === 0) out.say('No rows.');
    warn(table, written, out);
    out.say(`\n${written.rows.toLocaleString('en')} rows; ${table.final ? 'final' : 'not final'}`);
    return;
  }
  if (format === 'csv') await out.stream(`${csvHeader(table)}\n`);
  const line = format === 'csv' ? csvRow : rowObjectText;
  const written = await writeRows(writing, (rows) =>
    out.stream(rows.map((row) => `${line(table, row)}\n`).join('')),
  );
  warn(table, written, out);
  out.frame(`{${tableFrameText(table, requested)},${countsText(written)}}`);
}

/** Prints one document. The rows are kept in a file first, so that an error in the middle leaves stdout empty. */
async function writeDocument(writing: Writing): Promise<void> {
  try {
    await writeByFile(writing);
  } catch (error) {
    throw fromFileError(
      error,
      tmpdir(),
      'Set TMPDIR to a folder with enough space, or use --format ndjson, which needs none.',
    );
  }
}

async function writeByFile(writing: Writing): Promise<void> {
  const { out, at, table } = writing;
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-'));
  const path = join(folder, 'rows.json');
  try {
    const file = await open(path, 'wx', 0o600);
    let written: Written;
    try {
      await file.appendFile(`{${tableFrameText(table, instantParameters(at)[2])},"rows":[`);
      let separator = '';
      written = await writeRows(writing, async (rows) => {
        await file.appendFile(separator + rows.map((row) => rowObjectText(table, row)).join(','));
        separator = ',';
      });
      await file.appendFile(`],${countsText(written)}}\n`);
    } finally {
      await file.close();
    }
    warn(table, written, out);
    for await (const text of createReadStream(path, { encoding: 'utf8' })) await out.stream(text as string);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Passes the rows to `take`, page by page. Throws INTERRUPTED when the signal aborts. @returns the counts */
export async function writeRows(
  { signal, table, store }: RowSource,
  take: (rows: readonly TableRow[]) => void | Promise<void>,
): Promise<Written> {
  let [rows, skipped, isAssumed] = [0, 0, false];
  const dropped = new Set<string>();
  for await (const page of tableRows(store, table)) {
    if (signal.aborted) throw new TimewarpError('INTERRUPTED', 'Stopped while rows were written.');
    if (page.rows.length > 0) await take(page.rows);
    rows += page.rows.length;
    skipped += page.skipped;
    isAssumed ||= page.isAssumed;
    for (const name of page.dropped) dropped.add(name);
  }
  return { rows, skipped, dropped: [...dropped], isAssumed };
}

function countsText({ rows, skipped, isAssumed }: Written): string {
  return `"row_count":${rows},"skipped":${skipped}${assumesText(isAssumed)}`;
}

/** Prints what the rows themselves do not show. */
export function warn(table: TableAt, { skipped, dropped, isAssumed }: Written, out: Output): void {
  for (const line of warnings(table, { skipped, dropped, isAssumed })) out.note(line);
}

function warnings(table: TableAt, { skipped, dropped, isAssumed }: Omit<Written, 'rows'>): string[] {
  const name = formatTableName(table.table);
  const lines: string[] = [];
  const count = (number: string): string => (number === '1' ? '1 row is' : `${number} rows are`);
  if (table.unknown === 'skip' && table.unread === null)
    lines.push(`warning: ${name}: rows that no run has read are left out; their number is not known`);
  else if (table.unread !== '0' && table.unread !== null)
    lines.push(`warning: ${name}: ${count(table.unread)} left out: no run had read them`);
  if (skipped > 0)
    lines.push(
      `warning: ${name}: ${count(`${skipped}`)} left out: they, or some of their values, are not known`,
    );
  if (dropped.length > 0)
    lines.push(`${name}: values of columns that the table has no more are left out: ${dropped.join(', ')}`);
  const added = table.columns.addedAfter(table.lsn);
  if (added.length > 0) lines.push(`${name}: NULL, because they were added later: ${added.join(', ')}`);
  if (isAssumed) lines.push(`${name}: NULL may be NaN or infinity, as --no-nan declares that there are none`);
  return lines;
}
