/**
 * Completion scripts, made from the program itself: a command or option that is added is completed without anyone
 * thinking of it. The scripts call nothing of ours; tables are not completed, because that would take a connection.
 */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Words {
  readonly name: string;
  readonly description: string;
  readonly options: readonly Option[];
  readonly choices: readonly string[];
}

export function completionScript(shell: Shell, program: Command): string {
  const shared = program.options.map((option) => option);
  const commands: Words[] = program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: [...command.options, ...shared],
    choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  }));
  return { bash, zsh, fish }[shell](commands);
}

function flags(options: readonly Option[]): string[] {
  return [...options.map((option) => option.long ?? option.short ?? ''), '--help'];
}

function bash(commands: readonly Words[]): string {
  return `_pgtimewarp() {
  local current="\${COMP_WORDS[COMP_CWORD]}" word command= words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      ${commands.map(({ name }) => name).join('|')}) command="$word"; break ;;
    esac
  done
  case "$command" in
${commands.map(({ name, options, choices }) => `    ${name}) words="${[...choices, ...flags(options)].join(' ')}" ;;`).join('\n')}
    *) words="${commands.map(({ name }) => name).join(' ')} --help --version" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _pgtimewarp pgtimewarp
`;
}

function zsh(commands: readonly Words[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const entry = (name: string, description: string): string =>
    quoted(`${name.replaceAll(':', '\\:')}:${description}`);
  return `#compdef pgtimewarp
_pgtimewarp() {
  local word command
  local -a entries
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in
      ${commands.map(({ name }) => name).join('|')}) command="$word"; break ;;
    esac
  done
  case "$command" in
${commands
  .map(({ name, options, choices }) => {
    const all = [
      ...choices.map((choice) => entry(choice, 'shell')),
      ...options.map((option) => entry(option.long ?? '', option.description)),
      entry('--help', 'display help for command'),
    ];
    return `    ${name}) entries=(${all.join(' ')}) ;;`;
  })
  .join('\n')}
    *) entries=(${commands.map(({ name, description }) => entry(name, description)).join(' ')}) ;;
  esac
  _describe pgtimewarp entries || _files
}
compdef _pgtimewarp pgtimewarp
`;
}

function fish(commands: readonly Words[]): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap(({ name, description, options, choices }) => {
    const within = `complete -c pgtimewarp -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c pgtimewarp -f -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`,
      ...choices.map((choice) => `${within} -f -a ${choice}`),
      ...options.map(
        (option) =>
          `${within} -l ${(option.long ?? '').replace(/^--/, '')}${option.required ? ' -r' : ''} -d ${quoted(option.description)}`,
      ),
    ];
  });
  return `${lines.join('\n')}\n`;
}
