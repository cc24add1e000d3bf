/** Writes the tables of docs/performance.md from the results, so that no number is typed by hand. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Figure, isMet, type Size } from './harness.ts';

export interface Results {
  readonly machine: string;
  readonly versions: string;
  readonly benchmarks: {
    readonly name: string;
    readonly title: string;
    readonly size: Size;
    readonly date: string;
    readonly seconds: number;
    readonly figures: readonly Figure[];
  }[];
}

const PAGE = new URL('../docs/performance.md', import.meta.url).pathname;
const BEGIN = '<!-- measured: begin -->';
const END = '<!-- measured: end -->';

/** Replaces the text between the marks. */
export function writePerformancePage(results: Results): void {
  const page = readFileSync(PAGE, 'utf8');
  const [before = '', rest = ''] = page.split(BEGIN);
  const after = rest.split(END)[1] ?? '\n';
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${measuredText(results)}\n${END}${after}`);
}

function measuredText(results: Results): string {
  const lines = [`${results.machine}; ${results.versions}.`, ''];
  for (const bench of results.benchmarks) {
    const option = bench.size === 'usual' ? '' : ` --${bench.size}`;
    lines.push(
      `### ${bench.title}${option === '' ? '' : ` (\`${option.trim()}\`)`}`,
      '',
      `\`npm run bench -- ${bench.name}${option}\`, ${bench.seconds} s, ${bench.date}`,
      '',
      '| | median | spread | target |',
      '|---|---|---|---|',
    );
    for (const entry of bench.figures) {
      const met = isMet(entry);
      const target =
        entry.target === undefined ? '' : `${entry.target} ${met === true ? 'met' : '**missed**'}`;
      lines.push(
        `| ${entry.what} | ${entry.value} ${entry.unit} | ${entry.spread?.join(' – ') ?? ''} | ${target} |`,
      );
    }
    lines.push('');
  }
  return lines.join('\n');
}
