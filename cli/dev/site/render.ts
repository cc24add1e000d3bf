/** Turns the Markdown of a page into HTML, and tells its anchors and its links. */
import { Marked, type Tokens } from 'marked';

export interface Rendered {
  readonly html: string;
  readonly anchors: ReadonlySet<string>;
  readonly headings: readonly Heading[];
  readonly links: readonly string[];
}

export interface Heading {
  readonly depth: number;
  readonly anchor: string;
  /** With its inline HTML, such as <code>. */
  readonly html: string;
}

/** @param resolve turns the target of a link in the file into one on the site; null: its words stay, without a link */
export function render(markdown: string, resolve: (target: string) => string | null): Rendered {
  const anchors = new Set<string>();
  const headings: Heading[] = [];
  const links: string[] = [];
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }: Tokens.Heading): string {
        const html = this.parser.parseInline(tokens);
        const id = unused(anchorOf(html.replace(/<[^>]+>/g, '')), anchors);
        anchors.add(id);
        headings.push({ depth, anchor: id, html });
        return `<h${depth} id="${id}">${html} <a class="self" href="#${id}" aria-label="link to this section">#</a></h${depth}>\n`;
      },
      link({ href, tokens }: Tokens.Link): string {
        links.push(href);
        const [target, words] = [resolve(href), this.parser.parseInline(tokens)];
        return target === null ? words : `<a href="${escapeHtml(target)}">${words}</a>`;
      },
      code({ text, lang }: Tokens.Code): string {
        const language = lang?.split(/\s/)[0] ?? '';
        return `<pre tabindex="0"${language === '' ? '' : ` data-language="${escapeHtml(language)}"`}><code>${escapeHtml(text)}</code></pre>\n`;
      },
    },
  });
  // a wide table scrolls, by keyboard too
  const html = marked.parse(markdown, { async: false }).replaceAll('<table>', '<table tabindex="0">');
  return { html, anchors, headings, links };
}

/** As GitHub makes the anchor of a heading, so that the links work there too. */
function anchorOf(heading: string): string {
  return heading
    .replace(/&(amp|lt|gt|quot|#39);/g, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function unused(anchor: string, anchors: ReadonlySet<string>): string {
  if (!anchors.has(anchor)) return anchor;
  let count = 1;
  while (anchors.has(`${anchor}-${count}`)) count++;
  return `${anchor}-${count}`;
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
