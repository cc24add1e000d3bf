/** `node cli/dev/release-check.ts v0.1.0`: whether the tag, package.json and CHANGELOG.md agree. Prints what does not, and exits with 1. */
import { readFileSync } from 'node:fs';

const [tag = ''] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const section = readFileSync('CHANGELOG.md', 'utf8')
  .split('\n')
  .find((line) => line.startsWith(`## ${version} `) || line === `## ${version}`);
const wrong = [
  ...(tag === `v${version}` ? [] : [`The tag is ${tag}, and package.json has version ${version}.`]),
  ...(section === undefined ? [`CHANGELOG.md has no section "## ${version}".`] : []),
  ...(section?.includes('unreleased')
    ? [`CHANGELOG.md calls ${version} unreleased: write its date there.`]
    : []),
];
for (const line of wrong) console.error(line);
process.exitCode = wrong.length === 0 ? 0 : 1;
