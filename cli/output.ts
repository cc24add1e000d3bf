/**
 * The output of a command: its result goes to stdout, once; everything else to stderr. With --json, stdout gets exactly one
 * JSON document, also when the command fails.
 */
import { once } from 'node:events';
import { createColors } from 'picocolors';
import type { TimewarpError } from '../core/errors/timewarp-error.ts';
import { stackWithoutData } from '../core/pg/database-error.ts';
import { errorDocument } from '../documents/error.ts';
import { visibleWidth } from './render/width.ts';
import { wrap } from './render/wrap.ts';

export interface OutputStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export class Output {
  readonly json: boolean;
  readonly verbose: boolean;
  /** Colours for stdout; none if stdout is not a terminal or NO_COLOR is set. */
  readonly colors: ReturnType<typeof createColors>;
  readonly #streams: OutputStreams;

  constructor(options: { json: boolean; verbose: boolean }, streams: OutputStreams = process) {
    this.json = options.json;
    this.verbose = options.verbose;
    this.#streams = streams;
    this.colors = createColors(wantsColor(streams.stdout));
  }

  /** Columns of the terminal; 80 without a terminal. */
  get width(): number {
    return Math.max(60, this.#streams.stdout.columns ?? 80);
  }

  /** The escape sequence that clears a terminal; without a terminal, a blank line. */
  get clearScreen(): string {
    return this.#streams.stdout.isTTY === true ? '\u001b[H\u001b[2J' : '\n';
  }

  /** Whether progress can be drawn: stderr is a terminal. */
  get interactive(): boolean {
    return this.#streams.stderr.isTTY === true;
  }

  /** Prints the result, as JSON or for people. `json` is a value, or text that is JSON already. */
  result(json: unknown, human: () => string): void {
    const text = this.json
      ? json instanceof JsonText
        ? json.text
        : JSON.stringify(json)
      : fitted(human(), this.#streams.stdout);
    if (text !== '') this.#streams.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** Prints a script for another program to stdout, unchanged. */
  script(text: string): void {
    this.#streams.stdout.write(text);
  }

  /** Prints a part of a long result to stdout, unchanged; resolves when the reader has room for more. */
  async stream(text: string): Promise<void> {
    if (!this.#streams.stdout.write(text)) await once(this.#streams.stdout, 'drain');
  }

  /** Prints a line of a result that grows while the command runs: to stdout for people, to stderr with --json. */
  say(line: string): void {
    const stream = this.json ? this.#streams.stderr : this.#streams.stdout;
    stream.write(`${fitted(line, stream)}\n`);
  }

  /** Prints a line about progress to stderr. */
  note(message: string): void {
    this.#streams.stderr.write(`${fitted(message, this.#streams.stderr)}\n`);
  }

  /** Prints a JSON document about a result, such as its frame beside CSV, to stderr: one line, also on a terminal, so that it can be copied. */
  frame(json: string): void {
    this.#streams.stderr.write(`${json}\n`);
  }

  /** Prints an error: two lines to stderr, and with --json a document to stdout. */
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

/** A JSON document as text. Parsing and printing it again would change row values. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A terminal that reports fewer columns (for example 0) does not know its width. */
const NARROWEST = 20;

/** On a terminal, lines that are too long are broken at spaces; otherwise they stay whole. */
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
