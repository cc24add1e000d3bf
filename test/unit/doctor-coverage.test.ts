/**
 * Every check and every loss has a test that detects it: on a real server, or, if no server here can be brought into that
 * state, with recorded facts, which the name of the case says.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CHECK_CODES } from '../../core/doctor/check-codes.ts';

const ROOT = join(import.meta.dirname, '../..');
const textsIn = (folder: string): string =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(ROOT, folder, file), 'utf8'))
    .join('\n');

/** Checks for information, which always pass. */
const INFORMATION = ['decoding_spills', 'gaps', 'publication_tables', 'store_size', 'table'];
/** No server here is so old, has such a wrong clock, or has run so long. */
const RECORDED = ['clocks', 'no_progress', 'plugin_age', 'source_version', 'store_transaction_age'];

const onServers = textsIn('test/pg');
const recorded = readFileSync(join(ROOT, 'test/unit/cli-doctor.test.ts'), 'utf8');
const checks = textsIn('core/doctor/checks');

describe('every check', () => {
  const judged = Object.keys(CHECK_CODES).filter((code) => !INFORMATION.includes(code));
  test.each(judged)('%s', (code) => {
    const said = `(?:fail|warn) ${code}'`;
    if (RECORDED.includes(code)) {
      const cases = recorded.split('(recorded').slice(1);
      expect(cases.some((text) => new RegExp(said).test(text.slice(0, 400)))).toBe(true);
      return;
    }
    // the forms in which tests name a check: expected on a server, in the name of a test, looked up among the checks, in the
    // report
    const seen = `${said}|: (?:fail|warn) ${code}\\b|(?:===|code:|'wal',|'pub',|\\[) '?${code}'|FAIL \\[${code}\\]`;
    expect(onServers).toMatch(new RegExp(seen));
  });

  test.each(INFORMATION)('%s never warns', (code) => {
    expect(checks).not.toMatch(new RegExp(`(?:warn|fail|verdict)\\(\\s*'${code}'`));
  });
});

describe('every loss', () => {
  const codes = readFileSync(join(ROOT, 'core/run/loss/detect-loss.ts'), 'utf8').matchAll(/code: '(\w+)'/g);
  test.each([...new Set([...codes].map(([, code]) => code!))])('%s', (code) => {
    expect(readFileSync(join(ROOT, 'test/pg/run/loss/loss.test.ts'), 'utf8')).toContain(`code: '${code}'`);
  });
});
