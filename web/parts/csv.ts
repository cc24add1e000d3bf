/** A table as a CSV file: NULL is nothing, an empty text is "". */
import { ask, type Parameters } from '../client.ts';
import type { TableRows } from '../documents.ts';
import type { Json } from '../exact-json.ts';
import { plainValue } from './value.tsx';

export async function downloadCsv(path: string, parameters: Parameters, name: string): Promise<void> {
  const parts: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await ask<TableRows>(path, {
      ...parameters,
      limit: '1000',
      ...(cursor === undefined ? {} : { at: undefined, cursor }),
    });
    if (cursor === undefined) parts.push(line(page.columns));
    for (const row of page.rows) parts.push(line(page.columns.map((column) => row[column] ?? null)));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type: 'text/csv' }));
  link.download = `${name.replaceAll(/[^\w.-]+/g, '_')}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const line = (cells: readonly Json[]): string => `${cells.map(cellText).join(',')}\n`;

function cellText(value: Json): string {
  if (value === null) return '';
  const text = plainValue(value);
  return text === '' || /[",\r\n]|^\s|\s$|^\\\.$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
