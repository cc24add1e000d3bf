/** The frame of every page: the navigation, the title, the text. */
import type { Page } from './pages.ts';
import { escapeHtml } from './render.ts';

export function layout(page: Page, pages: readonly Page[], html: string): string {
  const up = '../'.repeat(page.path.split('/').length - 1);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'">
<title>${escapeHtml(plain(page.title))} · pgtimewarp</title>
<link rel="stylesheet" href="${up}site.css">
</head>
<body>
<nav aria-label="Pages">
${navigation(page, pages, up)}
</nav>
<main>
${html}
</main>
</body>
</html>
`;
}

function navigation(page: Page, pages: readonly Page[], up: string): string {
  return [...new Set(pages.map(({ group }) => group))]
    .map((group) => {
      const items = pages
        .filter((member) => member.group === group)
        .map((member) => {
          const here = member === page ? ' aria-current="page"' : '';
          return `<li><a href="${up}${member.path}"${here}>${escapeHtml(plain(member.title))}</a></li>`;
        });
      const open = group === page.group || group !== 'Decisions' ? ' open' : '';
      return `<details${open}><summary>${group}</summary><ul>${items.join('')}</ul></details>`;
    })
    .join('\n');
}

/** A heading without its Markdown. */
function plain(title: string): string {
  return title.replaceAll(/[`*]/g, '');
}
