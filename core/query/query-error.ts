/** Turns the errors that the query functions of the store raise into TimewarpErrors. */
import type { ErrorCode } from '../errors/codes.ts';
import { type ErrorFacts, TimewarpError } from '../errors/timewarp-error.ts';
import { fromDatabaseError, sqlState } from '../pg/database-error.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  TW001: 'TABLE_NOT_TRACKED',
  TW002: 'BAD_KEY',
  TW003: 'NODE_UNKNOWN',
  TW004: 'BAD_TIME',
  TW007: 'ARCHIVED',
  // a column or a value that a filter names
  TW006: 'BAD_FLAGS',
  // the key as jsonb: not JSON, a character such as \u0000 that jsonb refuses, or a number out of the range of numeric
  '22P02': 'BAD_KEY',
  '22P05': 'BAD_KEY',
  '22003': 'BAD_KEY',
  // nested too deeply, or too long, for the store
  '54000': 'BAD_KEY',
  '54001': 'BAD_KEY',
  // the functions of the store are missing or older
  '3F000': 'SCHEMA_OUTDATED',
  '42883': 'SCHEMA_OUTDATED',
};

/** Remedies for messages whose own hint does not help the caller. */
const REMEDIES: readonly (readonly [about: RegExp, remedy: string])[] = [
  [/^the interval ends before it begins/i, 'Name the earlier instant as from, the later one as to.'],
  [
    /^the key column .* cannot have this value/i,
    'Give the key column a value of its type, as the source prints it.',
  ],
];

/** Turns any failure of a question to the store into a TimewarpError; the hint of the server becomes the remedy. */
export function fromQueryError(error: unknown): TimewarpError {
  const code = CODES[sqlState(error) ?? ''];
  if (code === undefined) return fromDatabaseError(error, 'store');
  const { message, hint: told } = error as { message: string; hint?: string };
  const hint = REMEDIES.find(([about]) => about.test(message))?.[1] ?? told;
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  return new TimewarpError(code, sentence, {
    cause: error,
    ...(hint === undefined ? {} : { remedy: hint }),
    ...(code === 'ARCHIVED' ? { facts: archivedFacts(error) } : {}),
  });
}

/** What the question needs of the archive: see functions/archive/archived_part.sql. */
function archivedFacts(error: unknown): ErrorFacts {
  const said = JSON.parse((error as { detail: string }).detail) as Record<string, string | number>;
  return {
    kind: said.kind!,
    relationId: said.relation_id!,
    before: said.before!,
    from: said.from!,
    to: said.to!,
  };
}

/** As {@link fromQueryError}, for questions about many rows: these name no key, and may be too much for a session. */
export function fromHistoryError(error: unknown): TimewarpError {
  if (sqlState(error) === QUERY_CANCELED)
    return new TimewarpError('QUESTION_TOO_LONG', 'The store needed too much time for this question.', {
      cause: error,
    });
  const known = fromQueryError(error);
  if (known.code !== 'BAD_KEY') return known;
  return new TimewarpError('BAD_FLAGS', 'The store cannot hold a value of this filter.', {
    cause: error,
    remedy: 'Leave out characters that PostgreSQL refuses, such as U+0000, and shorten the value.',
  });
}

/** The time limit of the session, or an operator, ended the statement. */
const QUERY_CANCELED = '57014';
