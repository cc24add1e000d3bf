/** What happens while somebody looks: runs go on, the token is another one, the server restarts. Nobody loses their place. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPage, startBrowser } from '../support/browser.ts';
import { chromium, describeNeeding } from '../support/needs.ts';
import { pageTab } from '../support/page-tab.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const TOKENS = ['the-first-token', 'the-second-token'] as const;
const PATIENT = { timeout: 60_000 };

describeNeeding(chromium(), 'while somebody looks', () => {
  let node: TrackedNode;
  let serve: ServeProcess;
  let browser: Browser;

  beforeAll(async () => {
    await buildPage();
    node = await trackedNode({
      plugin: 'pgoutput',
      tables: 'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)',
      track: ['t'],
    });
    for (let v = 1; v <= 200; v++) await node.source.query('UPDATE t SET v = $1 WHERE id = 1', [v]);
    await node.catchUp();
    [serve, browser] = await Promise.all([start(TOKENS[0]), startBrowser()]);
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    await serve?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  const start = (token: string, ...args: string[]): Promise<ServeProcess> =>
    startServe(['--every', '1s', ...args], { ...node.env, PGTIMEWARP_TOKEN: token });
  /** Where the list is scrolled to: the line at its upper edge. */
  const upperLine = (page: Page): Promise<string | null> =>
    page.evaluate(() => {
      const list = document.querySelector('.long-list')!.getBoundingClientRect();
      return document.elementFromPoint(list.left + 20, list.top + 10)!.closest('.line')!.textContent;
    });
  const row = (): string => `${serve.url}/ui/${node.node}/row?table=public.t&pk=1`;

  test('a run adds versions: they are offered, and the version and the place in the list stay', async () => {
    await using tab = await pageTab(browser, row(), { token: TOKENS[0] });
    const { page, errors } = tab;
    await page.waitForSelector('.long-list .line');
    await page.evaluate(() => document.querySelector('.long-list')!.scrollTo({ top: 2_000 }));
    await expect.poll(() => page.locator('.line[aria-posinset="50"]').count()).toBe(1);
    const before = { upper: await upperLine(page), chosen: await page.locator('#chosen').textContent() };
    await node.source.query('UPDATE t SET v = 201 WHERE id = 1');
    await node.source.query('UPDATE t SET v = 202 WHERE id = 1');
    const offer = page.getByRole('button', { name: '2 newer versions' });
    await offer.waitFor(PATIENT);
    expect(await page.locator('#versions').textContent()).toBe('203 versions');
    expect({ upper: await upperLine(page), chosen: await page.locator('#chosen').textContent() }).toEqual(
      before,
    );
    await offer.click();
    await expect.poll(() => page.locator('.row-view .differences').textContent()).toContain('201202');
    expect(errors).toEqual([]);
  });

  test('a run adds transactions: the list and the table of now say so, and show them when asked', async () => {
    await using list = await pageTab(browser, `${serve.url}/ui/${node.node}/transactions`, {
      token: TOKENS[0],
    });
    await using table = await pageTab(browser, `${serve.url}/ui/${node.node}/table?table=public.t`, {
      token: TOKENS[0],
    });
    await using chart = await pageTab(browser, `${serve.url}/ui/${node.node}`, { token: TOKENS[0] });
    const newest = list.page.locator('.grid tbody tr').first();
    const [was] = await Promise.all([
      newest.textContent(),
      table.page.waitForSelector('.grid.rows tbody tr'),
      chart.page.waitForSelector('.activity .bar'),
    ]);
    const total = chart.page.locator('.activity svg[role=group]');
    const counted = await total.getAttribute('aria-label');
    await node.source.query('DELETE FROM t WHERE id = 2');
    for (const { page } of [list, table]) {
      await page.getByRole('button', { name: '1 newer transaction: show' }).waitFor(PATIENT);
    }
    expect(await newest.textContent()).toBe(was);
    expect(await table.page.locator('.grid.rows tbody tr').count()).toBe(2);
    for (const { page } of [list, table]) await page.getByRole('button', { name: /newer/ }).click();
    await expect.poll(() => newest.textContent()).toContain('−1');
    await expect.poll(() => table.page.locator('.grid.rows tbody tr').count()).toBe(1);
    await expect.poll(() => total.getAttribute('aria-label'), PATIENT).not.toBe(counted);
    await expect.poll(() => chart.page.locator('.activity .removed').count(), PATIENT).toBeGreaterThan(0);
  });

  // the last: it restarts the server
  test('the server restarts with another token: it is asked for, and the view goes on where it was', async () => {
    await using tab = await pageTab(browser, row(), { token: TOKENS[0] });
    const { page } = tab;
    await page.waitForSelector('.long-list .line');
    await page.locator('.long-list').focus();
    for (let step = 0; step < 60; step++) await page.keyboard.press('ArrowLeft');
    const place = async (): Promise<unknown> => [
      page.url(),
      await page.locator('#chosen').textContent(),
      await upperLine(page),
    ];
    const before = await place();
    const port = new URL(serve.url).port;
    await serve.stop();
    await page.getByText('The server does not answer').waitFor(PATIENT);
    expect(await place()).toEqual(before);
    await node.source.query('UPDATE t SET v = 300 WHERE id = 1');
    serve = await start(TOKENS[1], '--port', port);
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('alert').waitFor(PATIENT);
    await page.keyboard.type(TOKENS[1]);
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#versions').textContent(), PATIENT).toBe('204 versions');
    expect(await dialog.count()).toBe(0);
    expect(await place()).toEqual(before);
  });
});
