/** What the errors that the store's query functions raise mean to the caller. */
import type { ErrorCode } from '../errors/codes.ts';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { fromDatabaseError, sqlState } from '../pg/database-error.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  TW001: 'TABLE_NOT_TRACKED',
  TW002: 'BAD_KEY',
  TW003: 'NODE_UNKNOWN',
  TW004: 'BAD_TIME',
  // the key as jsonb: no JSON, a character such as \u0000 that jsonb refuses, a number beyond numeric
  '22P02': 'BAD_KEY',
  '22P05': 'BAD_KEY',
  '22003': 'BAD_KEY',
  // nested deeper, or longer, than the store can read
  '54000': 'BAD_KEY',
  '54001': 'BAD_KEY',
  // the functions of the store are not there, or are older
  '3F000': 'SCHEMA_OUTDATED',
  '42883': 'SCHEMA_OUTDATED',
};

/** Where what the function hints at does not help. */
const REMEDIES: readonly (readonly [about: RegExp, remedy: string])[] = [
  [/^the interval ends before it begins/i, 'Name the earlier instant as from, the later one as to.'],
  [/cannot have this value/i, 'Give the key column a value of its type, as the source prints it.'],
];

/** Any failure of a question to the store as a TimewarpError; the server's hint becomes the remedy. */
export function fromQueryError(error: unknown): TimewarpError {
  const code = CODES[sqlState(error) ?? ''];
  if (code === undefined) return fromDatabaseError(error, 'store');
  const { message, hint: told } = error as { message: string; hint?: string };
  const hint = REMEDIES.find(([about]) => about.test(message))?.[1] ?? told;
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  return new TimewarpError(
    code,
    sentence,
    hint === undefined ? { cause: error } : { cause: error, remedy: hint },
  );
}
