/** The site has every page, and a dead link fails its build. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildSite } from '../../cli/dev/site/build-site.ts';
import type { Page } from '../../cli/dev/site/pages.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'pgtimewarp-site-'));

function page(source: string, markdown: string): Page {
  return { source, markdown, path: source.replace(/\.md$/, '.html'), group: 'Start', title: source };
}

test('all pages are made, with the reference of HTTP and a navigation whose links have targets', async () => {
  const out = folder();
  expect(await buildSite(out)).toBeGreaterThan(50);
  const index = readFileSync(join(out, 'index.html'), 'utf8');
  const links = [...index.matchAll(/href="([^"#]+)[^"]*"/g)].map(([, href]) => href!);
  const inside = links.filter((href) => !/^https?:/.test(href));
  expect(inside).toContain('docs/commands.html');
  for (const href of inside) expect(existsSync(join(out, href)), href).toBe(true);
  const reference = readFileSync(join(out, 'docs/http-reference.html'), 'utf8');
  const { paths } = JSON.parse(readFileSync('http/openapi.json', 'utf8')) as { paths: object };
  for (const path of Object.keys(paths)) expect(reference).toContain(path);
});

describe('a dead link fails the build and is named', () => {
  const other = page('docs/b.md', '# B\n\n## A part, and `code`\n\n## A part, and `code`\n');
  const CASES: readonly (readonly [link: string, alive: boolean])[] = [
    ['b.md', true],
    ['b.md#a-part-and-code', true],
    ['b.md#a-part-and-code-1', true],
    ['#here', true],
    ['../package.json', true],
    ['../deploy', true],
    ['https://example.com/nowhere', true],
    ['b.md#another-part', false],
    ['#there', false],
    ['c.md', false],
    ['../nothing.json', false],
  ];
  test.each(CASES)('%s', async (link, alive) => {
    const built = buildSite(folder(), [page('docs/a.md', `# Here\n\n[x](${link})\n`), other]);
    if (alive) expect(await built).toBe(2);
    else await expect(built).rejects.toThrow(`Dead links:\ndocs/a.md: ${link}`);
  });
});

test('what Markdown quotes is not run: code is escaped', async () => {
  const out = folder();
  await buildSite(out, [page('docs/a.md', '# A <b>\n\n```html\n<script>alert(1)</script>\n```\n')]);
  expect(readFileSync(join(out, 'docs/a.html'), 'utf8')).not.toContain('<script>');
});
