/**
 * Writes tables as of one position into a folder: one CSV each, the script that loads them, and what they are (export.json). The folder
 * appears under its name only when everything is in it; until then it has another name, and a failure or Ctrl-C removes it.
 */
import { lstatSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import type { Queryable } from '../../core/pg/connection.ts';
import { formatTableName, type TableName } from '../../core/pg/identifiers.ts';
import type { CommonPosition } from '../../core/query/common-position.ts';
import { openTable, type TableAt } from '../../core/query/table-rows.ts';
import { csvHeader, csvRow } from '../../documents/table-rows.ts';
import { readArchive } from '../archive-reader.ts';
import { fromFileError } from '../file-error.ts';
import type { Output } from '../output.ts';
import type { RowsProgress } from '../progress.ts';
import { type Written, warn, writeRows } from '../whole-table.ts';
import { type ExportedTable, loadScript } from './load-script.ts';

/** A table and the node whose history has it. */
export interface WantedTable {
  readonly node: string;
  readonly table: TableName;
  /** Not tracked any more: if it was not tracked at the instant either, it does not belong to the export. */
  readonly isOver: boolean;
}

export interface ExportRequest {
  readonly store: Queryable;
  readonly tables: readonly WantedTable[];
  readonly position: CommonPosition;
  readonly unknown: 'error' | 'skip';
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly out: Output;
  readonly progress: RowsProgress;
}

export interface ExportSummary {
  readonly directory: string;
  readonly as_of: { readonly requested: string | null; readonly lsn: string | null };
  readonly final: boolean;
  readonly tables: readonly {
    readonly schema: string;
    readonly table: string;
    readonly node: string;
    readonly file: string;
    readonly row_count: number;
    readonly skipped: number;
  }[];
  /** Tables that are not in the export. */
  readonly left_out: readonly { readonly schema: string; readonly table: string; readonly reason: string }[];
}

/** Throws BAD_FLAGS when the folder exists or cannot be written, INTERRUPTED, and what openTable() and tableRows() throw. */
export async function writeExport(request: ExportRequest): Promise<ExportSummary> {
  const directory = resolve(request.directory);
  refuseExisting(directory);
  const unfinished = await makeFolder(directory);
  try {
    const summary = await writeInto(unfinished, directory, request);
    if (request.signal.aborted) throw interrupted();
    refuseExisting(directory);
    await rename(unfinished, directory);
    return summary;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw fromFileError(error, directory, ROOM);
  }
}

/** A new folder beside the target. Its name is of no other process: containers that share a disk have the same process ids. */
async function makeFolder(directory: string): Promise<string> {
  try {
    return await mkdtemp(join(dirname(directory), `.${basename(directory)}.unfinished-`));
  } catch (error) {
    throw fromFileError(error, directory, ROOM);
  }
}

async function writeInto(folder: string, directory: string, request: ExportRequest): Promise<ExportSummary> {
  const { position, tables: wanted } = request;
  const { requested } = position;
  const exported: ExportedTable[] = [];
  const tables: ExportSummary['tables'][number][] = [];
  const leftOut: ExportSummary['left_out'][number][] = [];
  let final = !position.isBeyond;
  for (const each of wanted) {
    const { schema, name } = each.table;
    const opened = await openWanted(request, each);
    if (typeof opened === 'string') {
      leftOut.push({ schema, table: name, reason: opened });
      if (!(each.isOver && request.unknown === 'error'))
        request.out.note(`warning: ${formatTableName(each.table)} is left out: ${opened}`);
      continue;
    }
    const file = fileName(each.table, exported);
    const written = await writeTable(join(folder, file), opened, request);
    warn(opened, written, request.out);
    final &&= opened.final;
    exported.push({
      table: each.table,
      file,
      columns: opened.columns.columns,
      keyColumns: opened.keyColumns,
    });
    tables.push({
      schema,
      table: name,
      node: each.node,
      file,
      row_count: written.rows,
      skipped: written.skipped,
    });
  }
  const summary = {
    directory,
    as_of: { requested, lsn: position.lsn },
    final,
    tables,
    left_out: leftOut,
  };
  const about = `Tables as of ${position.lsn ?? 'the beginning'}${requested === null ? '' : `, asked for as ${requested}`}`;
  await writeFile(join(folder, 'load.sql'), loadScript(about, exported));
  const { directory: _, ...described } = summary;
  await writeFile(join(folder, 'export.json'), `${JSON.stringify(described, null, 2)}\n`);
  return summary;
}

/** The table at the position, or why it is not in the export. */
async function openWanted(
  { store, position, unknown }: ExportRequest,
  { node, table, isOver }: WantedTable,
): Promise<TableAt | string> {
  try {
    return await openTable(store, { node, table, at: position.at, unknown, readArchive });
  } catch (error) {
    if (!(error instanceof TimewarpError) || error.code !== 'ROWS_UNKNOWN') throw error;
    // a table that was tracked then belongs to the export, also if it was untracked later
    const mayLack = unknown === 'skip' || (isOver && error.facts.tracked === false);
    if (!mayLack) throw error;
    return String(error.facts.reason);
  }
}

async function writeTable(path: string, table: TableAt, request: ExportRequest): Promise<Written> {
  const { signal, store, progress } = request;
  const name = formatTableName(table.table);
  const file = await open(path, 'wx');
  try {
    await writeAll(file, `${csvHeader(table)}\n`);
    let rows = 0;
    progress.show(`writing ${name}`);
    const written = await writeRows({ signal, table, store }, async (page) => {
      await writeAll(file, page.map((row) => `${csvRow(table, row)}\n`).join(''));
      rows += page.length;
      progress.show(`writing ${name}`, rows);
    });
    await file.sync();
    return written;
  } finally {
    await file.close();
  }
}

async function writeFile(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await writeAll(file, text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** FileHandle.write() may write a part only. */
async function writeAll(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
}

const LONGEST_NAME = 100;
const ROOM = 'Name a new folder in a folder that exists, with enough space.';

/** `schema.table.csv` of harmless characters; numbered if that is not the name itself, or is taken. */
function fileName({ schema, name }: TableName, taken: readonly ExportedTable[]): string {
  const whole = `${schema}.${name}`;
  const plain = whole.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, LONGEST_NAME);
  const isFree = (candidate: string): boolean =>
    taken.every(({ file }) => file.toLowerCase() !== candidate.toLowerCase());
  if (plain === whole && isFree(`${plain}.csv`)) return `${plain}.csv`;
  for (let number = taken.length + 1; ; number++)
    if (isFree(`${plain}-${number}.csv`)) return `${plain}-${number}.csv`;
}

function refuseExisting(directory: string): void {
  // also a link that leads nowhere
  if (lstatSync(directory, { throwIfNoEntry: false }) === undefined) return;
  throw new TimewarpError('BAD_FLAGS', `${directory} is there already.`, {
    remedy: 'Name a folder that does not exist: an export overwrites nothing.',
  });
}

function interrupted(): TimewarpError {
  return new TimewarpError('INTERRUPTED', 'Stopped before the export was complete.');
}
