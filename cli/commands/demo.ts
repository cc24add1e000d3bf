/** `demo`: shows all main features on databases that it starts itself. */
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export function registerDemo(program: Command, run: Run): Command {
  return program
    .command('demo')
    .description('see how it works, on temporary databases')
    .option('--keep', 'leave the databases running so that you can look around')
    .addHelpText('after', '\nExample:\n  pgtimewarp demo')
    .action((flags: { keep?: boolean }) =>
      run(async ({ out, signal }) => {
        const { runDemo } = await import('../demo/demo.ts'); // only this command needs servers
        const result = await runDemo({ out, signal, keep: flags.keep === true });
        out.result(result, () => '');
        return EXIT.done;
      }),
    );
}
