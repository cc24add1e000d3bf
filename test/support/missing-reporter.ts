/** Lists at the end of the run which tests were left out because something is not installed. */
import type { Reporter, TestModule } from 'vitest/node';
import { MISSING } from './missing-note.ts';

export class MissingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines = modules.flatMap(leftOut);
    if (lines.length === 0) return;
    console.log(
      `\n  NOT TESTED (with CI=true these fail, if it is in npm or Debian):\n${lines.map((line) => `    ${line}\n`).join('')}`,
    );
  }
}

function leftOut(module: TestModule): string[] {
  const lines: string[] = [];
  for (const test of module.children.allTests('skipped')) {
    const result = test.result();
    const note = result.state === 'skipped' ? (result.note ?? '') : '';
    if (note.startsWith(MISSING)) lines.push(`${test.fullName} in ${module.relativeModuleId}: ${note}`);
  }
  return lines;
}
