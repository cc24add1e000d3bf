/** Converts any thrown value to a TimewarpError, so that stack traces appear only with --verbose. */
import { type Command, CommanderError } from 'commander';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { fromDatabaseError, messageWithoutData, sideOf, sqlState } from '../core/pg/database-error.ts';

/** The placeholder in remedies for the command that failed. */
const ANY_COMMAND = 'pgtimewarp COMMAND';

/** @param entered the command that was parsed, if it came to that */
export function toError(thrown: unknown, entered: Command | null = null): TimewarpError {
  if (thrown instanceof TimewarpError) return thrown;
  if (thrown instanceof CommanderError) return fromCommander(thrown, entered);
  const side = sideOf(thrown);
  if (side !== undefined) return fromDatabaseError(thrown, side);
  const message = messageWithoutData(thrown);
  const state = sqlState(thrown);
  if (state === undefined) return new TimewarpError('INTERNAL', message, { cause: thrown });
  if (state === '42501') return new TimewarpError('PERMISSION_DENIED', sentence(message), { cause: thrown });
  return new TimewarpError('DATABASE_ERROR', `${sentence(message)} (SQLSTATE ${state})`, { cause: thrown });
}

/** Takes commander's message without its prefix; its suggestion becomes part of the remedy. */
function fromCommander(error: CommanderError, entered: Command | null): TimewarpError {
  if (error.code === 'commander.help') {
    const remedy = 'See `pgtimewarp --help`.';
    return new TimewarpError('BAD_FLAGS', 'A command is missing.', { remedy, cause: error });
  }
  if (error.code === 'commander.unknownCommand') {
    const [what = '', ...hints] = error.message.split('\n');
    const meant = hints.join(' ').replace(/^\(|\)$/g, '');
    return new TimewarpError('BAD_FLAGS', sentence(what.replace(/^error: /, '')), {
      remedy: `${meant}${meant === '' ? '' : ' '}All commands: pgtimewarp --help`,
      cause: error,
    });
  }
  const [first = '', ...rest] = error.message.split('\n');
  const hint = rest.join(' ').replace(/^\(|\)$/g, '') || keyHint(error, entered);
  return new TimewarpError('BAD_FLAGS', sentence(first.replace(/^error: /, '')), {
    ...(hint === '' ? {} : { remedy: hint }),
    cause: error,
  });
}

/** `asof orders 1`: the key is an option. */
function keyHint({ code }: CommanderError, entered: Command | null): string {
  const [table, key, ...others] = entered?.args ?? [];
  if (code !== 'commander.excessArguments' || key === undefined || others.length > 0) return '';
  return entered!.options.some(({ long }) => long === '--pk')
    ? `The key is an option: ${ANY_COMMAND} ${table} --pk ${key}`
    : '';
}

/** Puts the command that failed into the remedy. @param command such as `pgtimewarp track` */
export function namingCommand(error: TimewarpError, command: string): TimewarpError {
  if (!error.remedy.includes(ANY_COMMAND)) return error;
  const { code, message, facts, cause } = error;
  return new TimewarpError(code, message, {
    remedy: error.remedy.replaceAll(ANY_COMMAND, command),
    facts,
    cause,
  });
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(capital) ? capital : `${capital}.`;
}
