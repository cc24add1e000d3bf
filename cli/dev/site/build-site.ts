/** Makes the site: a folder of plain HTML that needs no server and no script. A dead link is an error. */
import { existsSync, globSync, statSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { layout } from './layout.ts';
import { type Page, sitePages } from './pages.ts';
import { type Rendered, render } from './render.ts';

/** Files of the repository that pages link to; they are on the site as they are. */
const FILES = 'files';

/** Returns the number of pages. Throws an Error with a line for each dead link. */
export async function buildSite(folder: string, pages: readonly Page[] | null = null): Promise<number> {
  const all = pages ?? (await sitePages());
  const bySource = new Map(all.map((page) => [page.source, page]));
  const files = new Set<string>();
  const rendered = new Map(
    all.map((page) => [
      page.source,
      render(page.markdown, (target) => onSite(page, target, { bySource, files })),
    ]),
  );
  const dead = await deadLinks(all, rendered);
  if (dead.length > 0) throw new Error(`Dead links:\n${dead.join('\n')}`);
  await rm(folder, { recursive: true, force: true });
  for (const page of all)
    await write(join(folder, page.path), layout(page, all, rendered.get(page.source)!.html));
  for (const file of files) await write(join(folder, onSiteFile(file)), await contentOf(file));
  await copyFile('cli/dev/site/site.css', join(folder, 'site.css'));
  return all.length;
}

interface Known {
  readonly bySource: ReadonlyMap<string, Page>;
  /** Grows with each file that is linked. */
  readonly files: Set<string>;
}

function onSite(page: Page, target: string, { bySource, files }: Known): string {
  if (isOutside(target) || target.startsWith('#')) return target;
  const { path, anchor } = split(page, target);
  const up = '../'.repeat(page.path.split('/').length - 1);
  const other = bySource.get(path);
  if (other !== undefined) return `${up}${other.path}${anchor === '' ? '' : `#${anchor}`}`;
  files.add(path);
  return `${up}${onSiteFile(path)}`;
}

/** As text, so that a browser shows it. */
function onSiteFile(path: string): string {
  return `${FILES}/${path.replace(/\/$/, '')}.txt`;
}

/** Of a folder: the names of its files. */
async function contentOf(path: string): Promise<string> {
  if (!statSync(path).isDirectory()) return await readFile(path, 'utf8');
  return `${globSync(`${path.replace(/\/$/, '')}/*`)
    .toSorted()
    .join('\n')}\n`;
}

function isOutside(target: string): boolean {
  return /^(https?|mailto):/.test(target);
}

/** The path in the repository, and the anchor. */
function split(page: Page, target: string): { path: string; anchor: string } {
  const [relative = '', anchor = ''] = target.split('#');
  const path =
    relative === '' ? page.source : posix.normalize(posix.join(posix.dirname(page.source), relative));
  return { path, anchor };
}

async function deadLinks(pages: readonly Page[], rendered: ReadonlyMap<string, Rendered>): Promise<string[]> {
  const dead: string[] = [];
  for (const page of pages) {
    for (const target of rendered.get(page.source)!.links) {
      if (isOutside(target)) continue;
      const { path, anchor } = split(page, target);
      const there = rendered.get(path);
      const isThere = there === undefined ? existsSync(path) : anchor === '' || there.anchors.has(anchor);
      if (!isThere) dead.push(`${page.source}: ${target}`);
    }
  }
  return dead;
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
