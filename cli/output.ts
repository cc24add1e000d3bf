/**
 * Where a command's words go: its result to stdout, once; everything else to stderr. With --json the result is exactly one
 * JSON document, also when the command fails.
 */
import { createColors } from 'picocolors';
import type { TimewarpError } from '../core/errors/timewarp-error.ts';
import { stackWithoutData } from '../core/pg/database-error.ts';
import { errorDocument } from '../documents/problem.ts';
import { visibleWidth } from './render/width.ts';
import { wrap } from './render/wrap.ts';

export interface OutputStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export class Output {
  readonly json: boolean;
  readonly verbose: boolean;
  /** For stdout: plain when that is no terminal, or when NO_COLOR is set. */
  readonly colors: ReturnType<typeof createColors>;
  readonly #streams: OutputStreams;

  constructor(options: { json: boolean; verbose: boolean }, streams: OutputStreams = process) {
    this.json = options.json;
    this.verbose = options.verbose;
    this.#streams = streams;
    this.colors = createColors(wantsColor(streams.stdout));
  }

  /** Columns of the terminal; 80 where there is none. */
  get width(): number {
    return Math.max(60, this.#streams.stdout.columns ?? 80);
  }

  /** What makes a terminal empty; a blank line elsewhere. */
  get clearScreen(): string {
    return this.#streams.stdout.isTTY === true ? '\u001b[H\u001b[2J' : '\n';
  }

  /** Whether progress can be drawn: stderr is a terminal. */
  get interactive(): boolean {
    return this.#streams.stderr.isTTY === true;
  }

  /** The result, in the one form or the other. `json` is a value, or text that is JSON already. */
  result(json: unknown, human: () => string): void {
    const text = this.json
      ? json instanceof JsonText
        ? json.text
        : JSON.stringify(json)
      : fitted(human(), this.#streams.stdout);
    if (text !== '') this.#streams.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** What a program reads, a script, to stdout as it is. */
  script(text: string): void {
    this.#streams.stdout.write(text);
  }

  /** A line of a story that is told as it happens: part of the result for people, aside for programs. */
  say(line: string): void {
    const stream = this.json ? this.#streams.stderr : this.#streams.stdout;
    stream.write(`${fitted(line, stream)}\n`);
  }

  /** A line on what is going on. */
  note(message: string): void {
    this.#streams.stderr.write(`${fitted(message, this.#streams.stderr)}\n`);
  }

  /** Two lines for people, one document for programs. */
  error(error: TimewarpError): void {
    const colors = createColors(wantsColor(this.#streams.stderr));
    this.note(`${colors.red('error:')} ${oneLine(error.message)}`);
    this.note(`${colors.yellow('remedy:')} ${oneLine(error.remedy)}`);
    if (this.verbose) this.note(describeCause(error));
    if (this.json) {
      this.#streams.stdout.write(`${JSON.stringify(errorDocument(error))}\n`);
    }
  }
}

/** A JSON document that must not be parsed and printed again: row values in it would change. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A terminal that says less, 0 for instance, does not know how wide it is. */
const NARROWEST = 20;

/** On a terminal, lines that are too long for it are broken at spaces; elsewhere they stay whole. */
function fitted(text: string, stream: NodeJS.WriteStream): string {
  const { columns } = stream;
  if (stream.isTTY !== true || columns === undefined || columns < NARROWEST) return text;
  return text
    .split('\n')
    .map((line) => (visibleWidth(line) <= columns ? line : wrap(line, columns, '  ')))
    .join('\n');
}

function wantsColor(stream: NodeJS.WriteStream): boolean {
  if (process.env.NO_COLOR) return false;
  return Boolean(process.env.FORCE_COLOR) || (stream.isTTY === true && process.env.TERM !== 'dumb');
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}

function describeCause(error: TimewarpError): string {
  const lines = [`code: ${error.code}`, `facts: ${JSON.stringify(error.facts)}`, error.stack ?? ''];
  for (let cause = error.cause; cause !== undefined && cause !== null; cause = (cause as Error).cause) {
    lines.push(`caused by: ${cause instanceof Error ? stackWithoutData(cause) : String(cause)}`);
  }
  return lines.join('\n');
}
