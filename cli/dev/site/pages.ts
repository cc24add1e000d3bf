/** Which pages the site has, in the order of its navigation, and where the text of each comes from. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { httpReference } from './http-reference.ts';

export interface Page {
  /** The path of the Markdown file in the repository; links between files are relative to it. */
  readonly source: string;
  /** The path on the site. */
  readonly path: string;
  readonly group: string;
  readonly title: string;
  readonly markdown: string;
}

/** Group, then its files. A title that is not the first heading of the file follows a colon. */
const NAVIGATION: Readonly<Record<string, readonly string[]>> = {
  Start: [
    'README.md:What it is, and first steps',
    'docs/first-hour.md',
    'docs/comparison.md',
    'CHANGELOG.md',
  ],
  Concepts: [
    'docs/architecture.md',
    'docs/limits.md',
    'docs/types.md',
    'docs/tables-as-of.md',
    'docs/many-rows.md',
  ],
  Use: [
    'docs/commands.md',
    'docs/sql.md',
    'docs/http.md',
    'docs/http-reference.md',
    'docs/page.md',
    'docs/restore.md',
    'docs/archive.md',
    'docs/who-did-it.md',
  ],
  Operate: [
    'docs/operations.md',
    'docs/run-books.md',
    'docs/performance.md',
    'docs/scale.md',
    'deploy/README.md',
    'SECURITY.md',
  ],
  AWS: ['docs/aws.md', 'docs/cdk.md', 'deploy/terraform/README.md'],
  Contribute: ['CONTRIBUTING.md', 'CODE_OF_CONDUCT.md'],
};

/** Made from the description of the API, so no file. */
const MADE: Readonly<Record<string, () => Promise<string>>> = { 'docs/http-reference.md': httpReference };

/** Throws an Error for a page of docs/ that is in no group: nobody would find it. */
export async function sitePages(): Promise<Page[]> {
  const listed = Object.entries(NAVIGATION).flatMap(([group, files]) =>
    files.map((file) => ({ group, file })),
  );
  const decisions = globSync('docs/decisions/*.md').toSorted();
  const pages = await Promise.all(
    [...listed, ...decisions.map((file) => ({ group: 'Decisions', file }))].map(async ({ group, file }) => {
      const [source = '', said] = file.split(':');
      const markdown = await (MADE[source]?.() ?? readFile(source, 'utf8'));
      const heading = /^##? (.+)$/m.exec(markdown)?.[1];
      if (heading === undefined) throw new Error(`${source} has no heading.`);
      const path = source === 'README.md' ? 'index.html' : source.replace(/\.md$/, '.html');
      return { source, path, group, title: said ?? heading, markdown };
    }),
  );
  const known = new Set(pages.map(({ source }) => source));
  const lost = globSync('docs/*.md').filter((path) => !known.has(path));
  if (lost.length > 0) throw new Error(`Pages that are in no group of the navigation: ${lost.join(', ')}`);
  return pages;
}
