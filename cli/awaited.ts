/** `--await-lsn`: a question waits until runs have read the source up to a position, such as that of the caller's own write. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Queryable } from '../core/pg/connection.ts';
import { askAfter, MAX_AWAIT_MS } from '../core/query/await-horizon.ts';
import { type Lsn, tryParseLsn } from '../core/types/lsn.ts';

export interface AwaitFlags {
  readonly awaitLsn?: Lsn;
}

/** Adds the option to a command. */
export function awaitOption(command: Command): Command {
  const seconds = MAX_AWAIT_MS / 1000;
  return command.option(
    '--await-lsn <lsn>',
    `wait (${seconds} s at most) until runs have read the source up to this position`,
    lsnArgument,
  );
}

/** Asks the question; with the option, first waits for the position. Throws what `askAfter` throws. */
export async function askAwaiting<T>(
  store: Queryable,
  {
    node,
    flags,
    signal,
  }: { readonly node: string; readonly flags: AwaitFlags; readonly signal: AbortSignal },
  question: () => Promise<T>,
): Promise<T> {
  if (flags.awaitLsn === undefined) return await question();
  const position = { node, lsn: flags.awaitLsn, timeoutMs: MAX_AWAIT_MS, signal };
  return await askAfter((ask) => ask(store), position, question);
}

function lsnArgument(text: string): Lsn {
  const lsn = tryParseLsn(text);
  if (lsn === null) throw new InvalidArgumentError('It must be an LSN, such as 0/16B3748.');
  return lsn;
}
