/** `completion`: prints a script with which a shell completes our commands and options. */
import { Argument, type Command } from 'commander';
import type { Run } from '../command.ts';
import { completionScript, SHELLS, type Shell } from '../completion.ts';
import { EXIT } from '../exit-codes.ts';

export function registerCompletion(program: Command, run: Run): Command {
  return program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp completion fish > ~/.config/fish/completions/pgtimewarp.fish\n' +
        '  source <(pgtimewarp completion bash)         # in ~/.bashrc\n' +
        '  source <(pgtimewarp completion zsh)          # in ~/.zshrc, after compinit',
    )
    .action((shell: Shell) =>
      run(async ({ out }) => {
        const script = completionScript(shell, program);
        if (out.json) out.result({ shell, script }, () => script);
        else out.script(script);
        return EXIT.done;
      }),
    );
}
