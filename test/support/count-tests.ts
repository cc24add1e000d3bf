/**
 * Prints `N passed, N failed` from vitest's JSON report. A run that failed without a failing test (a file that does not
 * load, an error outside of tests, lint) counts as one failure, so the line never looks better than the run was.
 *
 * Usage: node test/support/count-tests.ts REPORT EXIT_CODE
 */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

const Report = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  success: z.boolean(),
});

const [file = '', exitCode = '1'] = process.argv.slice(2);
const report = existsSync(file)
  ? Report.parse(JSON.parse(readFileSync(file, 'utf8')))
  : { numPassedTests: 0, numFailedTests: 0, success: false };
const clean = report.success && exitCode === '0';
const failed = clean ? report.numFailedTests : Math.max(report.numFailedTests, 1);
console.log(`${report.numPassedTests} passed, ${failed} failed`);
