/** The files for operators and for releases agree with the package, and what can be checked here is checked. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

test('workflows name every action by its commit', () => {
  const uses = globSync('.github/workflows/*.yml').flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/uses: (.*)/g)].map(([, action]) => action),
  );
  expect(uses.length).toBeGreaterThan(3);
  expect(uses.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action!))).toEqual(
    [],
  );
});

test.each(['deploy/compose/compose.yaml', 'deploy/kubernetes/poll.yaml', 'deploy/Dockerfile'])(
  '%s names the version of the package',
  (path) => {
    const named = [...readFileSync(path, 'utf8').matchAll(/pgtimewarp[:-](\d+\.\d+\.\d+)/g)].map(
      ([, each]) => each,
    );
    expect(new Set(named)).toEqual(new Set([version]));
  },
);

test.skipIf(!existsSync('/usr/bin/systemd-analyze'))('systemd accepts the units', () => {
  const units = globSync('deploy/systemd/*');
  expect(units.length).toBe(2);
  for (const unit of units) {
    expect(
      execFileSync('systemd-analyze', ['verify', unit], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    ).toBe('');
  }
});

test('a release needs a tag and a section of the changes that name its version', () => {
  const check = (tag: string): string => {
    try {
      execFileSync(process.execPath, ['cli/dev/release-check.ts', tag], { encoding: 'utf8', stdio: 'pipe' });
      return '';
    } catch (error) {
      return (error as { stderr: string }).stderr;
    }
  };
  expect(check('v999.0.0')).toContain(`package.json has version ${version}`);
  expect(check(`v${version}`)).not.toContain('The tag is');
});
