/**
 * Completion scripts. They are made from the program itself, so every new command, option or choice is completed. For nodes and
 * tables they call `pgtimewarp complete`, which asks the store if its URL is in the environment.
 */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The kinds of names that `pgtimewarp complete` prints. */
export const NAMES = ['nodes', 'tables'] as const;
export type Names = (typeof NAMES)[number];

/** A command under its full name, such as `retention set`. */
interface Words {
  readonly path: string;
  readonly description: string;
  readonly options: readonly Option[];
  /** Words that may follow: subcommands, or choices of its arguments. */
  readonly choices: readonly Choice[];
  readonly takesTables: boolean;
}

interface Choice {
  readonly word: string;
  readonly description: string;
}

export function completionScript(shell: Shell, program: Command): string {
  const shown = program.commands.filter((command) => !isHidden(command));
  const commands = shown.flatMap((command) => [
    words(command, [], program.options),
    ...command.commands.map((sub) => words(sub, [command.name()], program.options)),
  ]);
  return { bash, zsh, fish }[shell](commands, program.options);
}

/** Commander has no public API for it. */
function isHidden(command: Command): boolean {
  return (command as Command & { readonly _hidden?: boolean })._hidden === true;
}

function words(command: Command, before: readonly string[], shared: readonly Option[]): Words {
  const argumentChoices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  return {
    path: [...before, command.name()].join(' '),
    description: command.description(),
    options: [...command.options, ...shared],
    choices: [
      ...command.commands.map((sub) => ({ word: sub.name(), description: sub.description() })),
      ...argumentChoices.map((word) => ({ word, description: '' })),
    ],
    takesTables: command.registeredArguments.some((argument) => argument.name() === 'table'),
  };
}

const isTop = ({ path }: Words): boolean => !path.includes(' ');
const longName = (option: Option): string => option.long ?? option.short ?? '';

function flags(options: readonly Option[]): string[] {
  return [...options.map(longName), '--help'];
}

/** Options with a fixed list of values. */
function valued({ path, options }: Words): { readonly when: string; readonly values: readonly string[] }[] {
  return options.flatMap((option) =>
    option.argChoices === undefined
      ? []
      : [{ when: `${path} ${longName(option)}`, values: option.argChoices }],
  );
}

/** For bash and zsh: finds the command in `line`, a list of the words before the current one. */
function findCommand(commands: readonly Words[], line: string): string {
  const subs = commands.filter((each) => !isTop(each)).map(({ path }) => `"${path}"`);
  return `  for word in ${line}; do
    case "$command $word" in
      ${subs.join('|')}) command="$command $word"; break ;;
    esac
    if [[ -z $command ]]; then
      case "$word" in
        ${commands
          .filter(isTop)
          .map(({ path }) => path)
          .join('|')}) command="$word" ;;
      esac
    fi
  done`;
}

function bash(commands: readonly Words[], shared: readonly Option[]): string {
  const tables = commands.filter((each) => each.takesTables).map(({ path }) => `"${path}"`);
  return `_pgtimewarp() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" word command= words
${findCommand(commands, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`)}
  case "$command $previous" in
    *" --node") words="$(pgtimewarp complete nodes 2>/dev/null)" ;;
${commands
  .flatMap(valued)
  .map(({ when, values }) => `    "${when}") words="${values.join(' ')}" ;;`)
  .join('\n')}
    *)
      case "$command" in
${commands
  .map(
    ({ path, options, choices }) =>
      `        "${path}") words="${[...choices.map(({ word }) => word), ...flags(options)].join(' ')}" ;;`,
  )
  .join('\n')}
        *) words="${commands
          .filter(isTop)
          .map(({ path }) => path)
          .join(' ')} ${flags(shared).join(' ')}" ;;
      esac
      case "$command" in
        ${tables.join('|')})
          [[ $current == -* ]] || words="$words $(pgtimewarp complete tables 2>/dev/null)" ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _pgtimewarp pgtimewarp
`;
}

function zsh(commands: readonly Words[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const entry = (name: string, description: string): string =>
    quoted(`${name.replaceAll(':', '\\:')}${description === '' ? '' : `:${description}`}`);
  const tables = commands.filter((each) => each.takesTables).map(({ path }) => `"${path}"`);
  return `#compdef pgtimewarp
_pgtimewarp() {
  local word command= previous="\${words[CURRENT-1]}"
  local -a entries
${findCommand(commands, `"\${(@)words[2,CURRENT-1]}"`)}
  case "$command $previous" in
    *" --node") entries=(\${(f)"$(pgtimewarp complete nodes 2>/dev/null)"}) ;;
${commands
  .flatMap(valued)
  .map(({ when, values }) => `    "${when}") entries=(${values.map(quoted).join(' ')}) ;;`)
  .join('\n')}
    *)
      case "$command" in
${commands
  .map(({ path, options, choices }) => {
    const all = [
      ...choices.map(({ word, description }) => entry(word, description)),
      ...options.map((option) => entry(longName(option), option.description)),
      entry('--help', 'display help for command'),
    ];
    return `        "${path}") entries=(${all.join(' ')}) ;;`;
  })
  .join('\n')}
        *) entries=(${commands
          .filter(isTop)
          .map(({ path, description }) => entry(path, description))
          .join(' ')}) ;;
      esac
      case "$command" in
        ${tables.join('|')}) entries+=(\${(f)"$(pgtimewarp complete tables 2>/dev/null)"}) ;;
      esac ;;
  esac
  _describe pgtimewarp entries || _files
}
compdef _pgtimewarp pgtimewarp
`;
}

function fish(commands: readonly Words[]): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap(({ path, description, options, choices, takesTables }) => {
    const [top = '', sub] = path.split(' ');
    const within = `complete -c pgtimewarp -n '__fish_seen_subcommand_from ${top}${sub === undefined ? '' : `; and __fish_seen_subcommand_from ${sub}`}'`;
    return [
      ...(sub === undefined
        ? [`complete -c pgtimewarp -f -n __fish_use_subcommand -a ${top} -d ${quoted(description)}`]
        : []),
      ...choices.map(
        ({ word, description: what }) => `${within} -f -a ${word}${what === '' ? '' : ` -d ${quoted(what)}`}`,
      ),
      ...(takesTables ? [`${within} -f -a '(pgtimewarp complete tables 2>/dev/null)'`] : []),
      ...options.map((option) => {
        const values =
          option.argChoices !== undefined
            ? ` -f -a ${quoted(option.argChoices.join(' '))}`
            : longName(option) === '--node'
              ? ` -f -a '(pgtimewarp complete nodes 2>/dev/null)'`
              : '';
        const name = longName(option).replace(/^--/, '');
        return `${within} -l ${name}${option.required ? ' -r' : ''}${values} -d ${quoted(option.description)}`;
      }),
    ];
  });
  return `${lines.join('\n')}\n`;
}
