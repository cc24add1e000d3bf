/** The options that questions about many rows share, and how their answers leave: as a table, one JSON document, NDJSON or CSV. */
import { InvalidArgumentError, Option } from 'commander';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { ColumnValues, HistoryFrame } from '../core/query/history-page.ts';
import { csvLine } from '../documents/csv.ts';
import { JsonText, type Output } from './output.ts';

export const FORMATS = ['table', 'ndjson', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

export function formatOption(about = 'table, or one answer a line: ndjson, csv'): Option {
  return new Option('--format <form>', about).choices(FORMATS);
}

export const UNKNOWN_CHOICES = ['error', 'skip'] as const;

export const PAIR = 'COL=VALUE or "COL is null"';

const IS_NULL = /^([^=]+?) +is +null$/i;

/** Values of a repeated `--where`: `COL=VALUE` or `COL is null`. Undefined: none were given. Throws BAD_FLAGS. */
export function whereValues(texts: readonly string[] | undefined): ColumnValues | undefined {
  if (texts === undefined) return undefined;
  const nulls = texts.map((text) => IS_NULL.exec(text)?.[1]).filter((name) => name !== undefined);
  const values = pairs(
    '--where',
    texts.filter((text) => !IS_NULL.test(text)),
  );
  const twice = nulls.find(
    (name, index) => nulls.indexOf(name) !== index || Object.hasOwn(values ?? {}, name),
  );
  if (twice !== undefined) throw badFlag(`--where names ${twice} twice.`);
  return { ...Object.fromEntries(nulls.map((name) => [name, null])), ...values };
}

/** Values of a repeated `NAME=VALUE` as one object; undefined: none were given. Throws BAD_FLAGS. */
export function pairs(
  option: string,
  texts: readonly string[] | undefined,
): Record<string, string> | undefined {
  if (texts === undefined) return undefined;
  const members = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw badFlag(`${option} is not of the form NAME=VALUE: ${text.slice(0, 60)}`);
    const name = text.slice(0, at);
    if (members.has(name)) throw badFlag(`${option} names ${name} twice.`);
    members.set(name, text.slice(at + 1));
  }
  return Object.fromEntries(members);
}

/** `I,U,D,T`: operations. */
export function operationList(value: string): string[] {
  const operations = value.split(',').map((part) => part.trim().toUpperCase());
  if (!operations.every((operation) => ['I', 'U', 'D', 'T', 'S'].includes(operation)))
    throw new InvalidArgumentError('It must be a list of I (insert), U (update), D (delete), T (truncate).');
  return operations;
}

/** What an answer about many rows looks like in each form. */
export interface HistoryAnswer {
  readonly frame: HistoryFrame;
  /** One JSON document. */
  readonly json: () => string;
  /** A JSON text for each line. */
  readonly lines: () => readonly string[];
  readonly csv: {
    readonly header: readonly string[];
    readonly rows: () => readonly (readonly (string | null)[])[];
  };
  readonly human: () => string;
}

/** Writes the answer in the form that was asked for. Beside NDJSON and CSV its frame goes to stderr, as JSON. */
export function writeAnswer(answer: HistoryAnswer, format: Format | undefined, out: Output): void {
  if (format === undefined || format === 'table' || out.json) {
    if (out.json && format !== undefined && format !== 'table')
      throw badFlag('--json and --format are two forms of one answer.');
    out.result(new JsonText(out.json ? answer.json() : ''), answer.human);
    return;
  }
  const lines = format === 'ndjson' ? answer.lines() : [answer.csv.header, ...answer.csv.rows()].map(csvLine);
  if (lines.length > 0) out.script(`${lines.join('\n')}\n`);
  const { from, to, horizon, final, unknownText } = answer.frame;
  const frame = JSON.stringify({ from, to, horizon, final }).slice(0, -1);
  out.frame(`${frame},"unknown":${unknownText}}`);
}

function badFlag(message: string): TimewarpError {
  return new TimewarpError('BAD_FLAGS', message);
}
