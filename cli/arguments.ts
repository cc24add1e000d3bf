/** Parsers for the values of arguments and options: they return the types that core takes. */
import { InvalidArgumentError } from 'commander';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { parseTableName } from '../core/pg/identifiers.ts';

/** Collects the values of a repeatable option. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** Parses a count or a number of seconds. */
export function positiveInteger(value: string): number {
  if (!/^[1-9]\d{0,11}$/.test(value)) throw new InvalidArgumentError('It must be a whole number above 0.');
  return Number.parseInt(value, 10);
}

/** `N(s|m|h|d)`; PostgreSQL reads the same text as an interval. */
export function duration(value: string): string {
  if (!/^[1-9]\d{0,8}[smhd]$/.test(value))
    throw new InvalidArgumentError('It must be a duration such as 12h or 30d.');
  return value;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** @param text a duration that {@link duration} has accepted */
export function durationSeconds(text: string): number {
  return Number.parseInt(text, 10) * UNIT_SECONDS[text.slice(-1)]!;
}

/** `a,B,"c,d"`: column names, folded unless quoted. Repeating the option adds to the list. */
export function columnList(value: string, previous: readonly string[] | undefined): string[] {
  const parts = value.match(/(?:"(?:[^"]|"")*"|[^,"])+/g) ?? [];
  return [...(previous ?? []), ...parts.map((part) => columnName(part.trim()))];
}

function columnName(text: string): string {
  try {
    return parseTableName(`public.${text}`).name;
  } catch (error) {
    if (error instanceof TimewarpError) throw new InvalidArgumentError(`"${text}" is not a column name.`);
    throw error;
  }
}
