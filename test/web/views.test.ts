/**
 * Every view, from the narrowest to the widest screen, light and dark: axe finds nothing, nothing is wider than the window, and no
 * line is too long to read. A view is opened once, and its window then changes: nothing of the page depends on how it was opened.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { violations } from '../support/axe.ts';
import { chromium, describeNeeding } from '../support/needs.ts';
import { pageHistory } from '../support/page-history.ts';
import { settled } from '../support/page-tab.ts';
import { type PageWorld, pageWorld } from '../support/page-world.ts';

const PICTURES = 'test-output/page';
/** Of running text, in characters of middle width. */
const LONGEST_LINE = 120;
/** axe judges colours and names, which differ between the layouts and not between screens of one layout. */
const SCREENS = [
  { width: 360, height: 740, axe: false },
  { width: 390, height: 900, axe: true },
  { width: 1280, height: 900, axe: true },
  { width: 3840, height: 2160, axe: false },
] as const;

type Views = Readonly<Record<string, (lsn: string) => string>>;

const VIEWS: Views = {
  overview: () => '',
  transactions: () => '/transactions',
  unknown: () => '/transactions?from=2020-01-01T00:00:00Z',
  transaction: (lsn) => `/transactions/${lsn.replace('/', '-')}`,
  tables: () => '/tables',
  table: () => '/table?table=public.clients',
  past: (lsn) => `/table?table=public.orders&order=total&descending=true&at=${encodeURIComponent(lsn)}`,
  compare: () => `/table?table=public.orders&at=${encodeURIComponent('0/1')}&compare=now`,
  row: () => `/row?table=public.orders&pk=${encodeURIComponent('{"id":"2"}')}`,
  search: () => '/search?table=public.orders&column=status&when=ever&value=paid',
  hostile: () => `/table?table=${encodeURIComponent('public.<b>hostile</b>')}`,
};

describeNeeding(chromium(), 'every view', () => {
  let world: PageWorld;
  let lsn: string;

  beforeAll(async () => {
    mkdirSync(PICTURES, { recursive: true });
    const node = await pageHistory();
    world = await pageWorld(node);
    const { rows } = await node.store.query<{ lsn: string }>(
      'SELECT max(valid_from_lsn)::text AS lsn FROM pgtimewarp.row_changes',
    );
    lsn = rows[0]!.lsn;
  }, 300_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  test.each(Object.entries(VIEWS))(
    '%s',
    async (name, path) => {
      await using tab = await world.open(path(lsn));
      const { page } = tab;
      await settled(page);
      const found: string[] = [];
      for (const { width, height, axe } of SCREENS) {
        await page.setViewportSize({ width, height });
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          await drawn(page);
          await page.screenshot({ path: join(PICTURES, `${name}-${width}-${colorScheme}.png`) });
          if (axe)
            found.push(...(await violations(page)).map((each) => `at ${width}, ${colorScheme}: ${each}`));
        }
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) found.push(`${over} pixels wider than the window of ${width}`);
        found.push(...(await longLines(page)).map((line) => `at ${width}: ${line}`));
      }
      expect([...found, ...tab.errors]).toEqual([]);
    },
    300_000,
  );
});

/** The browser has laid out and drawn what changed. */
const drawn = (page: Page): Promise<unknown> =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

/** Lines of sentences that are longer than {@link LONGEST_LINE}; cells of tables and source text are not sentences. */
function longLines(page: Page): Promise<string[]> {
  return page.evaluate((longest) => {
    const sentences = [...document.querySelectorAll('p, li, figcaption, .message')].filter(
      (each) => each.closest('table, svg, .long-list') === null,
    );
    return sentences.flatMap((each) => {
      const text = document.createRange();
      text.selectNodeContents(each);
      const widths = [...text.getClientRects()].map(({ width }) => width);
      const character = Number.parseFloat(getComputedStyle(each).fontSize) / 2;
      const most = Math.max(0, ...widths) / character;
      return most > longest && each.querySelector('article, table, ul, svg') === null
        ? [`${Math.round(most)} characters: ${each.textContent?.slice(0, 60)}`]
        : [];
    });
  }, LONGEST_LINE);
}
