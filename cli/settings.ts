/**
 * The options that all commands share, each with its environment variable. An option is checked when a command reads it, so
 * `migrate` works without a source.
 */
import { type Command, Option } from 'commander';
import { TimewarpError } from '../core/errors/timewarp-error.ts';

export class Settings {
  readonly #options: SharedOptions;

  constructor(options: SharedOptions) {
    this.#options = options;
  }

  /** The name of the node. Throws BAD_FLAGS when it cannot be one. */
  get node(): string {
    const node = this.#options.node || 'default';
    if (/^[a-z0-9_]{1,40}$/.test(node)) return node;
    throw new TimewarpError('BAD_FLAGS', `--node ${node}: not a node name.`, {
      remedy: 'Use 1 to 40 lower-case letters, digits and underscores.',
    });
  }

  get storeUrl(): string {
    return required(this.#options.store, 'store', 'PGTIMEWARP_STORE_URL');
  }

  get sourceUrl(): string {
    return required(this.#options.source, 'source', 'PGTIMEWARP_SOURCE_URL');
  }

  /** null without --source: for commands that work without a source but show more with one. */
  get optionalSourceUrl(): string | null {
    return this.#options.source || null;
  }

  /** Checks --store first: most commands need it. */
  get databases(): { storeUrl: string; sourceUrl: string; node: string } {
    return { storeUrl: this.storeUrl, sourceUrl: this.sourceUrl, node: this.node };
  }
}

export interface SharedOptions {
  readonly source?: string;
  readonly store?: string;
  readonly node?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Adds them to the program; commander accepts them before and after the command's name. */
export function addSharedOptions(program: Command): void {
  program
    .addOption(
      new Option('--source <url>', 'the observed database, postgres://…').env('PGTIMEWARP_SOURCE_URL'),
    )
    .addOption(
      new Option('--store <url>', 'the database with the history, postgres://…').env('PGTIMEWARP_STORE_URL'),
    )
    .addOption(
      new Option('--node <id>', 'name of the observed database in the store (default: "default")').env(
        'PGTIMEWARP_NODE',
      ),
    )
    .option('--json', 'print exactly one JSON document to stdout')
    .option('--verbose', 'print causes and stack traces of errors, and checks that pass');
}

function required(value: string | undefined, name: string, variable: string): string {
  if (value) return value;
  throw new TimewarpError('BAD_FLAGS', `--${name} is missing.`, {
    remedy: `Name the database: --${name} postgres://user:password@host:5432/database, or set ${variable}.`,
  });
}
