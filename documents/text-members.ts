/**
 * Documents that are put together as text, because values of rows would change if they were parsed and printed again. Their schemas
 * only describe them: a function lists the text of each member, exactly those of its schema.
 */
import type * as z from 'zod';

/** The members of a document with the text of each value. undefined: the member is left out. */
export type Texts<S extends z.ZodObject> = Readonly<Record<keyof z.input<S>, string | undefined>>;

export function objectText(members: Readonly<Record<string, string | undefined>>): string {
  const texts: string[] = [];
  for (const [name, text] of Object.entries(members)) if (text !== undefined) texts.push(`"${name}":${text}`);
  return `{${texts.join(',')}}`;
}

export function listText(texts: readonly string[]): string {
  return `[${texts.join(',')}]`;
}

export function quote(text: string | null): string {
  return JSON.stringify(text);
}

export function pointText(point: { readonly lsn: string; readonly ts: string } | null): string {
  return point === null ? 'null' : `{"lsn":${quote(point.lsn)},"ts":${quote(point.ts)}}`;
}
