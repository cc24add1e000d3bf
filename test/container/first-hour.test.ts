/**
 * docs/first-hour.md is true: its commands are typed on a fresh Debian, in order, and print what it shows. `npm run test:container`; with
 * UPDATE_FIRST_HOUR=1 the outputs and the times are rewritten.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { dockerAnswers } from '../support/docker-server.ts';
import { describeNeeding } from '../support/needs.ts';
import { type Block, blocksOf, normalise, stepsOf } from '../support/readme.ts';
import { docker, dockerDoes } from './docker.ts';
import { nodeImage } from './images.ts';

const PAGE = 'docs/first-hour.md';
const NAME = `pgtimewarp-first-hour-${process.pid}`;
const LONGEST_S = 600;
const IS_UPDATE = process.env.UPDATE_FIRST_HOUR === '1';

const daemon = { what: 'a Docker daemon', met: await dockerAnswers(), remedy: 'dockerd, and DOCKER_HOST' };

describeNeeding(daemon, 'the first hour', () => {
  beforeAll(async () => {
    const image = await nodeImage();
    const tarball = inject('tarball');
    await dockerDoes(['run', '--detach', '--init', '--name', NAME, image, 'sleep', '3600']);
    await dockerDoes(['cp', tarball, `${NAME}:/root/${basename(tarball)}`]);
    await dockerDoes(['exec', NAME, 'apt-get', 'update', '-qq']);
  });

  afterAll(async () => {
    await docker(['rm', '--force', '--volumes', NAME]);
  });

  /** As root in a shell that has the variables exported so far; what it printed, in the order in which it came. */
  async function shell(command: string, exports: readonly string[] = []): Promise<string> {
    const script = [...exports, `cd /root; { ${command}; } 2>&1`].join('\n');
    return (await docker(['exec', NAME, 'bash', '-c', script])).stdout;
  }

  async function sql(block: Block): Promise<void> {
    const needed = block.marks.find((mark) => mark.startsWith('if-setting='))?.split('=')[1];
    const psql = ['exec', '-i', NAME, 'su', 'postgres', '-c'];
    if (needed !== undefined) {
      const known = `psql -XAtc "SELECT FROM pg_settings WHERE name = '${needed}'" shop | wc -l`;
      if ((await dockerDoes([...psql, known])) === '0') return;
    }
    const text = Buffer.from(block.text).toString('base64');
    await dockerDoes([...psql, `echo ${text} | base64 -d | psql -qX -v ON_ERROR_STOP=1 shop`]);
  }

  test('its commands print what it shows, within ten minutes', async () => {
    const markdown = await readFile(PAGE, 'utf8');
    const parts = markdown.split(/^(?=## )/m);
    const exports: string[] = [];
    const took: (readonly [part: string, seconds: number])[] = [];
    let at = '';
    for (const [index, part] of parts.entries()) {
      const started = performance.now();
      const blocks = blocksOf(part);
      let updated = part;
      for (const block of blocks) {
        if (block.language === 'sql') await sql(block);
        if (block.language !== 'console') continue;
        let written = '';
        for (const { command, output } of stepsOf(block)) {
          if (command.startsWith('export ')) {
            exports.push(command);
            written += `$ ${command}\n`;
            continue;
          }
          const typed = command.replace(/--at \S+/, `--at ${at}`);
          const printed = await shell(typed, exports);
          if (!IS_UPDATE) expect(normalise(printed), command).toBe(normalise(output));
          at = /^(\S+Z) {2}found when the table was read/m.exec(printed)?.[1] ?? at;
          written += `$ ${typed}\n${printed === '' ? '\n' : `${printed.trim()}\n\n`}`;
        }
        updated = updated.replace(block.text, () => `${written.trim()}\n`);
      }
      parts[index] = updated;
      if (blocks.length > 0) took.push([/^## (.*)$/m.exec(part)![1]!, (performance.now() - started) / 1000]);
    }
    const total = took.reduce((sum, [, seconds]) => sum + seconds, 0);
    for (const [part, seconds] of took) console.log(`${seconds.toFixed(0).padStart(4)} s  ${part}`);
    expect(took).toHaveLength(6);
    expect(total).toBeLessThan(LONGEST_S);
    if (IS_UPDATE) await writeFile(PAGE, withTimes(parts.join(''), took, total));
  });
});

function withTimes(text: string, took: readonly (readonly [string, number])[], total: number): string {
  const rows = took.map(([part, seconds]) => `| ${part} | ${seconds.toFixed(0)} s |`).join('\n');
  return text
    .replace(/^(\| step \| took \|\n\|---\|---\|\n)(\|.*\n)*/m, (_, head: string) => `${head}${rows}\n`)
    .replace(/took \d+ s(?= in all)/, `took ${total.toFixed(0)} s`);
}
