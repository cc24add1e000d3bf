/** One project per kind of test; those that need PostgreSQL share one server per run. */
import { defineConfig } from 'vitest/config';
import { MissingReporter } from './test/support/missing-reporter.ts';

const TIMEOUTS_MS = {
  unit: 60_000,
  infra: 120_000,
  pg: 60_000,
  parity: 120_000,
  web: 120_000,
  crash: 300_000,
  runtime: 300_000,
  long: 600_000,
  schemathesis: 1_800_000,
  templates: 900_000,
  container: 900_000,
};

function project(name: keyof typeof TIMEOUTS_MS, needsServer: boolean) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: TIMEOUTS_MS[name],
      hookTimeout: TIMEOUTS_MS[name],
      // the page is read from dist/, which the tests of the package make anew
      sequence: { groupOrder: name === 'web' ? 1 : 0 },
      globalSetup: needsServer ? ['test/support/global-setup.ts'] : [],
    },
  };
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default', new MissingReporter(), ['json', { outputFile: 'test-output/vitest.json' }]],
    projects: [
      project('unit', false),
      project('infra', false),
      project('pg', true),
      project('parity', true),
      project('web', true),
      project('crash', true),
      // only when asked for: npm run test:long
      ...(process.env.TEST_LONG === '1' ? [project('long', true)] : []),
      // only when asked for (npm run test:schemathesis): it comes from PyPI
      ...(process.env.TEST_SCHEMATHESIS === '1' ? [project('schemathesis', true)] : []),
      // only when asked for (npm run test:templates): the linters come from PyPI
      ...(process.env.TEST_TEMPLATES === '1' ? [project('templates', false)] : []),
      // only when asked for (npm run test:container): it needs a Docker daemon
      ...(process.env.TEST_CONTAINER === '1' ? [project('container', false)] : []),
      // only when asked for (npm run test:runtime): it builds Lambda's runtime client first
      ...(process.env.TEST_RUNTIME === '1' ? [project('runtime', false)] : []),
    ],
  },
});
