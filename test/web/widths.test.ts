/** Every view on the narrowest and the widest screen: nothing is wider than the window, and no line is too long to read. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPage, startBrowser } from '../support/browser.ts';
import { chromium, describeNeeding } from '../support/needs.ts';
import { pageHistory } from '../support/page-history.ts';
import { pageTab } from '../support/page-tab.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import type { TrackedNode } from '../support/tracked-node.ts';

const PICTURES = 'test-output/page';
/** Of running text, in characters of middle width. */
const LONGEST_LINE = 120;
const SCREENS = [
  { width: 360, height: 740 },
  { width: 3840, height: 2160 },
] as const;

describeNeeding(chromium(), 'narrow and wide screens', () => {
  let node: TrackedNode;
  let serve: ServeProcess;
  let browser: Browser;
  let lsn: string;

  beforeAll(async () => {
    await buildPage();
    [node, browser] = await Promise.all([pageHistory(), startBrowser()]);
    serve = await startServe([], node.env, 900_000);
    const { rows } = await node.store.query<{ lsn: string }>(
      'SELECT max(valid_from_lsn)::text AS lsn FROM pgtimewarp.row_changes',
    );
    lsn = rows[0]!.lsn;
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    await serve?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  const views = (): Record<string, string> => ({
    overview: '',
    transactions: '/transactions',
    unknown: '/transactions?from=2020-01-01T00:00:00Z',
    transaction: `/transactions/${lsn.replace('/', '-')}`,
    tables: '/tables',
    table: '/table?table=public.clients',
    past: `/table?table=public.orders&at=${encodeURIComponent(lsn)}`,
    compare: `/table?table=public.orders&at=${encodeURIComponent('0/1')}&compare=now`,
    row: `/row?table=public.orders&pk=${encodeURIComponent('{"id":"2"}')}`,
    search: '/search?table=public.orders&column=status&when=ever&value=paid',
    hostile: `/table?table=${encodeURIComponent('public.<b>hostile</b>')}`,
  });

  for (const { width, height } of SCREENS) {
    for (const dark of [false, true]) {
      test(`every view at ${width} pixels, ${dark ? 'dark' : 'light'}`, async () => {
        mkdirSync(PICTURES, { recursive: true });
        const found: string[] = [];
        for (const [name, path] of Object.entries(views())) {
          await using tab = await pageTab(browser, `${serve.url}/ui/${node.node}${path}`, {
            width,
            height,
            dark,
          });
          const { page } = tab;
          await settled(page);
          const file = `${name}-${width}-${dark ? 'dark' : 'light'}.png`;
          await page.screenshot({ path: join(PICTURES, file) });
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (over > 0) found.push(`${name} is ${over} pixels wider than the window`);
          found.push(...(await longLines(page)).map((line) => `${name}: ${line}`), ...tab.errors);
        }
        expect(found).toEqual([]);
      }, 300_000);
    }
  }
});

async function settled(page: Page): Promise<void> {
  await page.waitForSelector('h1');
  await page.waitForLoadState('networkidle');
  await page.waitForFunction(
    () => ![...document.querySelectorAll('.loading')].some((each) => each.textContent),
  );
}

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
