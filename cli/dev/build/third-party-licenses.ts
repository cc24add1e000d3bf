/** The licences of the packages whose code is in the bundles: a package without a licence that we accept fails the build. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Permissive licences that ask only for their text. */
const ACCEPTED = new Set([
  'MIT-0',
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
]);

const HEADER = `The program in dist/ contains code of the packages below, under these licences.\n`;

/** Some packages carry their licence only in their README, or in the repository that several packages share. */
const FILE_NAMES = /^(licen[cs]e|copying)(\.|-|$)/i;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly author?: string | { readonly name: string };
}

/**
 * The file THIRD-PARTY-LICENSES. Throws when a licence is not accepted or has no text.
 * @param folders of the packages, below node_modules/
 */
export function thirdPartyLicenses(folders: readonly string[]): string {
  const sections = folders.map((folder) => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    const { name, version, license = 'none' } = manifest;
    if (!ACCEPTED.has(license))
      throw new Error(`${name} ${version}: the licence ${license} is not accepted.`);
    return `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${textOf(folder, manifest).trim()}\n`;
  });
  return [HEADER, ...sections].join('\n');
}

function textOf(folder: string, { name, version, license, author }: Manifest): string {
  const files = readdirSync(folder);
  const file = files.find((each) => FILE_NAMES.test(each));
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8');
  const readme = files.find((each) => /^readme/i.test(each));
  const said = readme === undefined ? '' : readFileSync(join(folder, readme), 'utf8');
  const section = /^#+\s*licen[cs]e\b[^\n]*\n([\s\S]*?)(?=^#|$(?![\s\S]))/im.exec(said)?.[1]?.trim();
  if (section !== undefined && section !== '') return section;
  const by = typeof author === 'string' ? author : author?.name;
  if (by !== undefined)
    return `Copyright ${by}. The package names the licence ${license} and has no text of it.`;
  throw new Error(`${name} ${version}: no text of its licence.`);
}
