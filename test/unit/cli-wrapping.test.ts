/** Lines that are too long for the terminal are broken at spaces; output that is not a terminal gets them whole. */
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { Output } from '../../cli/output.ts';
import { visibleWidth } from '../../cli/render/width.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

const COLUMNS = 40;

/** The output to a terminal of 40 columns, or to a file. */
function written(isTTY: boolean, write: (out: Output) => void, columns = COLUMNS): string {
  let text = '';
  const stream = { isTTY, columns: isTTY ? columns : undefined, write: (part: string) => (text += part) };
  const each = stream as unknown as NodeJS.WriteStream;
  write(new Output({ json: false, verbose: false }, { stdout: each, stderr: each }));
  return stripVTControlCharacters(text);
}

const LONG =
  'The store cannot be reached: connect ECONNREFUSED 127.0.0.1:1, which is what the system said of it.';
const failure = new TimewarpError('STORE_UNREACHABLE', LONG, { remedy: LONG });

test.each([
  ['an error', (out: Output) => out.error(failure)],
  ['a note', (out: Output) => out.note(LONG)],
  ['a result', (out: Output) => out.result({}, () => `${LONG}\nshort\n${LONG}`)],
  ['a line of a story', (out: Output) => out.say(LONG)],
])('%s fits the terminal, and no word is broken', (_what, write) => {
  const lines = written(true, write).split('\n');
  expect(lines.filter((line) => visibleWidth(line) > COLUMNS)).toEqual([]);
  expect(lines.length).toBeGreaterThan(3);
  const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);
  expect(words(lines.join(' '))).toEqual(words(written(false, write)));
});

test('a JSON document stays on one line', () => {
  const json = `{"rows":"${LONG}"}`;
  expect(written(true, (out) => out.frame(json))).toBe(`${json}\n`);
});

test('a terminal of unknown width gets whole lines', () => {
  expect(written(true, (out) => out.note(LONG), 0)).toBe(`${LONG}\n`);
});

test('output that is not a terminal gets whole lines, and a script is not changed', () => {
  expect(written(false, (out) => out.note(LONG))).toBe(`${LONG}\n`);
  expect(written(true, (out) => out.script(LONG))).toBe(LONG);
});
