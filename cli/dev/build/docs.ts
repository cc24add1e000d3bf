/**
 * Builds what `serve` shows at `/docs`: the HTTP reference, and the page about what the description of the API cannot express. They
 * are made of HTML and a style sheet, and need no other server. Links to the rest of the documentation become words: it is not there.
 */
import { createHash } from 'node:crypto';
import { globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { httpReference } from '../site/http-reference.ts';
import { escapeHtml, type Heading, render } from '../site/render.ts';
import { writeWhole } from './bundle.ts';

const STYLE = 'cli/dev/site/site.css';
/** The file of each address, and the Markdown that it comes from. */
const PAGES = [
  { path: '/docs', source: 'http-reference.md', title: 'HTTP reference', read: httpReference },
  { path: '/docs/http', source: 'http.md', title: 'HTTP', read: () => readFileSync('docs/http.md', 'utf8') },
] as const;

/** Writes docs.html, docs/http.html and their style sheet into a folder. */
export async function buildDocs(folder = 'dist/web'): Promise<void> {
  const style = readFileSync(STYLE);
  const hash = createHash('sha256').update(style).digest('hex').slice(0, 8).toUpperCase();
  const asset = `assets/docs-${hash}.css`;
  writeWhole(join(folder, asset), style);
  for (const name of globSync('assets/docs-*.css', { cwd: folder }))
    if (name !== asset) rmSync(join(folder, name));
  for (const { path, title, read } of PAGES) {
    const { html, headings } = render(await read(), targetInDocs);
    const page = pageOf({ path, title, headings, html, asset });
    writeWhole(join(folder, `${path}.html`), Buffer.from(page));
  }
}

function targetInDocs(target: string): string | null {
  if (/^(https?:|#)/.test(target)) return target;
  const [file = '', anchor] = target.split('#');
  const page = PAGES.find(({ source }) => source === file);
  return page === undefined ? null : page.path + (anchor === undefined ? '' : `#${anchor}`);
}

interface DocsPage {
  readonly path: string;
  readonly title: string;
  readonly headings: readonly Heading[];
  readonly html: string;
  readonly asset: string;
}

function pageOf({ path, title, headings, html, asset }: DocsPage): string {
  const item = (href: string, words: string, here = false): string =>
    `<li><a href="${href}"${here ? ' aria-current="page"' : ''}>${words}</a></li>`;
  const pages = PAGES.map((each) => item(each.path, each.title, each.path === path));
  const parts = headings
    .filter(({ depth }) => depth === 2)
    .map(({ anchor, html: words }) => item(`#${anchor}`, words));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · pgtimewarp</title>
<link rel="icon" href="/assets/icon.svg">
<link rel="stylesheet" href="/${asset}">
</head>
<body>
<nav aria-label="Pages">
<ul>${item('/', 'The page')}${pages.join('')}</ul>
<details open><summary>On this page</summary><ul>${parts.join('')}</ul></details>
</nav>
<main>
${html}
</main>
</body>
</html>
`;
}
