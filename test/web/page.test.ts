/** The page in a real browser, against `serve` and a real history: what people do in an incident, by keyboard. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { violations } from '../support/axe.ts';
import { buildPage, startBrowser } from '../support/browser.ts';
import { chromium, describeNeeding } from '../support/needs.ts';
import { HOSTILE, pageHistory } from '../support/page-history.ts';
import { type PageTab, pageTab, settled } from '../support/page-tab.ts';
import { runByPsql } from '../support/restore-plans.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import type { TrackedNode } from '../support/tracked-node.ts';

const PICTURES = 'test-output/page';
const TOKEN = 'secret-of-this-test';

describeNeeding(chromium(), 'the page', () => {
  let node: TrackedNode;
  let serve: ServeProcess;
  let browser: Browser;
  let mistake: string;
  let gap: string;

  beforeAll(async () => {
    await buildPage();
    [node, browser] = await Promise.all([pageHistory(), startBrowser()]);
    // the tests run when they want to, and look for a long time
    serve = await startServe(['--every', '1h'], { ...node.env, PGTIMEWARP_TOKEN: TOKEN }, 900_000);
    const found = await node.store.query<{ lsn: string }>(
      `SELECT max(valid_from_lsn)::text AS lsn FROM pgtimewarp.row_changes`,
    );
    mistake = found.rows[0]!.lsn;
    gap = `/ui/${node.node}/row?table=public.orders&pk=${encodeURIComponent('{"id":"2"}')}`;
  });

  afterAll(async () => {
    await browser?.close();
    await serve?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  /** A tab that has given its token, or not. */
  const open = (path: string, token: string | null = TOKEN): Promise<PageTab> =>
    pageTab(browser, serve.url + path, { token });

  const transaction = (): string => `/ui/${node.node}/transactions/${mistake.replace('/', '-')}`;
  const past = (): string => `/ui/${node.node}/table?table=public.orders&at=${encodeURIComponent(mistake)}`;
  const search = (): string =>
    `/ui/${node.node}/search?table=public.orders&column=status&when=ever&value=paid`;
  const hostile = (): string => `/ui/${node.node}/table?table=${encodeURIComponent('public.<b>hostile</b>')}`;
  /** Of the mistake, in the list of the newest transactions. */
  const listed = (page: Page): Locator =>
    page.locator(`section[aria-labelledby=newest] tbody a[href*="${mistake.replace('/', '-')}"]`).first();

  test('from the overview to the row before the mistake, by keyboard, and back', async () => {
    await using tab = await open('/');
    const { page, errors } = tab;
    await page.waitForSelector('.grid a');
    await listed(page).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('.change');
    expect(await page.locator('h1').textContent()).toMatch(/^Transaction \d+$/);
    expect(await page.locator('.facts').textContent()).toContain('user sam');
    await page.locator('.change header a', { hasText: /orders 2$/ }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('.long-list .line');
    const differences = page.locator('.row-view .differences');
    expect(await differences.locator('tr.changed').textContent()).toBe('total9007199254740995.000.00');
    await page.locator('.long-list').focus();
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(
      () => document.querySelector('.row-view tr.changed th')?.textContent === 'comment',
    );
    const shared = page.url();
    expect(new URL(shared).searchParams.get('at')).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    const chosen = await page.locator('.row-view h2#chosen').textContent();
    await page.reload();
    await page.waitForSelector('.long-list .line');
    expect(await page.locator('.row-view h2#chosen').textContent()).toBe(chosen);
    await page.goBack();
    await page.waitForSelector('.change');
    await page.goBack();
    await page.waitForSelector('#newest');
    await page.goForward();
    await page.waitForSelector('.change');
    expect(errors).toEqual([]);
  });

  /** Presses Tab until the element has the focus. It is reached by the keyboard alone, or the test fails. */
  async function tabTo(page: Page, element: Locator): Promise<void> {
    await element.waitFor();
    for (let presses = 0; presses < 80; presses++) {
      if (await element.evaluate((each) => each === document.activeElement)) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`Tab does not reach ${element}`);
  }

  /** Lets the page write to the clipboard, and reads it. */
  async function clipboard(page: Page): Promise<() => Promise<string>> {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: serve.url });
    return () => page.evaluate(() => navigator.clipboard.readText());
  }

  /** The totals as the mistake left them, but for one of them. */
  async function asTheMistakeLeftThem({ id7 = '0' } = {}): Promise<void> {
    const { rowCount } = await node.source.query(
      'UPDATE orders SET total = CASE id WHEN 7 THEN $1::numeric ELSE 0 END WHERE total <> CASE id WHEN 7 THEN $1::numeric ELSE 0 END',
      [id7],
    );
    if (rowCount !== 0) await node.catchUp();
  }

  async function totals(): Promise<Record<string, string>> {
    const { rows } = await node.source.query<{ id: string; total: string }>(
      'SELECT id::text, total::text FROM orders ORDER BY id',
    );
    return Object.fromEntries(rows.map(({ id, total }) => [id, total]));
  }

  test('from “all totals are 0” to the SQL on the clipboard in three actions, by keyboard; psql puts the rows back', async () => {
    await asTheMistakeLeftThem();
    await using tab = await open(`/ui/${node.node}`);
    const { page, errors } = tab;
    const copied = await clipboard(page);
    expect(new Set(Object.values(await totals()))).toEqual(new Set(['0.00']));
    let actions = 0;
    const act = async (element: Locator): Promise<void> => {
      await tabTo(page, element);
      await page.keyboard.press('Enter');
      actions += 1;
    };
    await act(listed(page));
    await act(page.getByRole('button', { name: 'Undo this' }));
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('SQL').waitFor();
    expect(await dialog.locator('.planned').textContent()).toMatch(/^orders\s*57 to update$/);
    await act(dialog.getByRole('button', { name: 'Copy SQL' }));
    await page.locator('dialog [role=status]', { hasText: 'Copied' }).waitFor();
    expect(actions).toBeLessThanOrEqual(5);
    const sql = await copied();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await runByPsql(sql, node.sourceUrl);
    const back = await totals();
    expect([back['1'], back['2'], back['41']]).toEqual([
      '9007199254740994.00',
      '9007199254740995.00',
      '45.10',
    ]);
    expect(Object.values(back)).not.toContain('0.00');
    expect(errors).toEqual([]);
  });

  test('a row in conflict is shown, and can be left as it is', async () => {
    await asTheMistakeLeftThem({ id7: '9007199254741000.00' });
    await using tab = await open(transaction());
    const { page, errors } = tab;
    const copied = await clipboard(page);
    await page.getByRole('button', { name: 'Undo this' }).click();
    const dialog = page.getByRole('dialog');
    const conflicts = dialog.locator('[aria-labelledby=conflicts]');
    await conflicts.waitFor();
    expect(await conflicts.textContent()).toMatch(
      /1 row is in conflict\s*orders\s*7: changed since[\s\S]*total\s*0.00\s*9007199254741000.00/,
    );
    await pictures(page, 'conflict');
    await dialog.getByRole('button', { name: 'Copy SQL' }).press('Enter');
    await expect(runByPsql(await copied(), node.sourceUrl)).rejects.toMatchObject({
      stderr: expect.stringContaining('public.orders {"id":"7"}: changed_since'),
    });
    await dialog.getByLabel('Leave rows in conflict as they are').press('Space');
    await page.waitForFunction(
      () => !document.querySelector('textarea')?.value.includes("RAISE EXCEPTION USING ERRCODE = 'TW001'"),
    );
    await dialog.getByRole('button', { name: 'Copy SQL' }).press('Enter');
    await runByPsql(await copied(), node.sourceUrl);
    expect((await totals())['2']).toBe('9007199254740995.00');
    expect(errors).toEqual([]);
  });

  test('a row is put back to a version, by keyboard', async () => {
    await asTheMistakeLeftThem();
    await using tab = await open(gap);
    const { page, errors } = tab;
    const copied = await clipboard(page);
    await tabTo(page, page.locator('.long-list'));
    const changed = page.locator('.row-view section[aria-labelledby=chosen] tr.changed th').first();
    await changed.waitFor();
    while ((await changed.textContent()) !== 'comment') {
      const href = page.url();
      await page.keyboard.press('ArrowLeft'); // past the mistake, and what other tests did
      await page.waitForURL((url) => url.href !== href);
    }
    await tabTo(page, page.getByRole('button', { name: 'Restore to here' }));
    await page.keyboard.press('Enter');
    await page.getByLabel('SQL').waitFor();
    await pictures(page, 'row');
    await page.keyboard.press('Enter'); // the button to copy has the focus
    await page.locator('dialog [role=status]', { hasText: 'Copied' }).waitFor();
    await runByPsql(await copied(), node.sourceUrl);
    expect((await totals())['2']).toBe('9007199254740995.00');
    expect(errors).toEqual([]);
  });

  /** The open dialog at both widths, light and dark: axe finds nothing, and nothing is wider than the window. */
  async function pictures(page: Page, name: string): Promise<void> {
    mkdirSync(PICTURES, { recursive: true });
    for (const colorScheme of ['light', 'dark'] as const)
      for (const width of [1280, 390]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 900 });
        await page.screenshot({ path: join(PICTURES, `plan-${name}-${width}-${colorScheme}.png`) });
        expect(await violations(page), `${name} ${width} ${colorScheme}`).toEqual([]);
        const over = await page.evaluate(() => {
          const dialog = document.querySelector('dialog[open]')!;
          return Math.max(
            dialog.scrollWidth - dialog.clientWidth,
            document.documentElement.scrollWidth - innerWidth,
          );
        });
        expect(over, `${name} at ${width}`).toBeLessThanOrEqual(0);
      }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1280, height: 900 });
  }

  test('it shows the viewer’s time with UTC beside it, to the microsecond', async () => {
    await using tab = await open(transaction());
    await settled(tab.page);
    const moment = tab.page.locator('.facts .moment').first();
    const ts = (await moment.getAttribute('datetime'))!;
    const local = new Date(Date.parse(`${ts.slice(0, 19)}Z`) + 19_800_000).toISOString();
    expect(await moment.locator('.local').textContent()).toBe(
      `${local.slice(0, 10)} ${local.slice(11, 19)}${ts.slice(19, 26)} +05:30`,
    );
    expect(await moment.locator('.utc').textContent()).toBe(`${ts.slice(0, 10)} ${ts.slice(11, 26)} UTC`);
  });

  test('it asks for the token, again when it is wrong, and goes on where it was', async () => {
    await using tab = await open(gap, 'expired');
    const { page } = tab;
    await page.waitForSelector('dialog[open] [role=alert]');
    await page.keyboard.type(TOKEN);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.long-list .line');
    expect(page.url()).toBe(serve.url + gap);
    expect(await page.evaluate(() => [localStorage.length, document.cookie])).toEqual([0, '']);
  });

  test('a browser gets the page, with its rules; other clients get what they got', async () => {
    const html = { headers: { accept: 'text/html,*/*;q=0.8' } };
    const page = await fetch(`${serve.url}/`, html);
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'self';.*frame-ancestors 'none'/,
    );
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const names = [...(await page.text()).matchAll(/"(\/assets\/[^"]+)"/g)].map(([, name]) => name!);
    let bytes = 0;
    for (const name of names) {
      const asset = await fetch(serve.url + name);
      if (!name.endsWith('.svg')) expect(asset.headers.get('cache-control')).toContain('immutable');
      bytes += gzipSync(await asset.text()).length;
    }
    console.log(`the page: ${names.length} assets, ${bytes} bytes gzip`);
    expect(names.length).toBe(3);
    expect(bytes).toBeLessThan(250_000);
    const others: [string, RequestInit, number][] = [
      ['/', {}, 401],
      ['/', { headers: { authorization: `Bearer ${TOKEN}` } }, 404],
      ['/ui/x', { headers: { authorization: `Bearer ${TOKEN}` } }, 404],
      ['/', { method: 'POST', ...html }, 401],
      ['/v1/nodes', html, 401],
      ['/assets/none.js', html, 401],
      ['/assets/../../package.json', html, 401],
    ];
    for (const [path, init, status] of others)
      expect((await fetch(serve.url + path, init)).status, path).toBe(status);
  });

  test('a row with many versions: only the lines in view exist', async () => {
    const versions = Number.parseInt(process.env.PAGE_VERSIONS ?? '3000', 10);
    await node.source.query('SET synchronous_commit = off');
    await node.source.query(
      `DO $$ BEGIN FOR n IN 1..${versions} LOOP UPDATE clients SET city = n::text WHERE id = 3; COMMIT; END LOOP; END $$`,
    );
    await node.catchUp();
    await using tab = await open(`/ui/${node.node}/row?table=public.clients&pk=3`);
    const { page } = tab;
    await page.locator('.long-list').focus();
    await expect
      .poll(
        async () => {
          await page.keyboard.press('End'); // of what is loaded; older versions follow
          return page.locator('#versions').textContent();
        },
        { timeout: 60_000 },
      )
      .toBe(`${(versions + 1).toLocaleString('en')} versions`);
    await page.keyboard.press('End');
    await page.waitForFunction(() => document.querySelector('#chosen')?.textContent?.startsWith('read'));
    expect(await page.locator('.long-list .line').count()).toBeLessThan(80);
    expect(await page.locator('.line[aria-selected=true]').getAttribute('aria-posinset')).toBe(
      `${versions + 1}`,
    );
  });

  test('hostile names and values stay text', async () => {
    await using tab = await open(hostile());
    const { page, errors } = tab;
    await settled(page);
    await page.waitForSelector('.grid.rows tbody tr');
    const text = await page.locator('.grid.rows').textContent();
    expect(text).toContain(HOSTILE.script.slice(0, 60));
    expect(text).toContain(HOSTILE.link);
    expect(text).toMatch(/U\+202E.*U\+2066.*U\+200B.*U\+0007/s);
    expect(text).toContain('show all 1,000,000 characters');
    expect(await page.locator('a[href^="javascript:"], .grid script, .grid img, .grid i, h1 b').count()).toBe(
      0,
    );
    await page.locator('button.more').last().click();
    expect((await page.locator('.text.whole').textContent())?.length).toBe(1_000_000);
    expect(await page.title()).not.toBe('owned');
    expect(errors).toEqual([]);
  });

  test('a table then, compared with now, and as CSV', async () => {
    await asTheMistakeLeftThem();
    await using tab = await open(past());
    const { page, errors } = tab;
    await page.waitForSelector('.grid.rows tbody tr');
    await page.locator('input[type=range]').focus();
    await page.keyboard.press('ArrowLeft'); // the commit before the mistake
    await page.waitForFunction(() =>
      document.querySelector('.grid.rows')?.textContent?.includes('9007199254740994.00'),
    );
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download CSV' }).click();
    const stream = await (await saving).createReadStream();
    const csv = (await stream.toArray()).join('');
    expect(csv.split('\n').slice(0, 2)).toEqual([
      'id,client_id,status,total,comment',
      '1,2,paid,9007199254740994.00,',
    ]);
    expect(csv).toContain('\n41,1,new,45.10,""\n');
    await page.getByRole('button', { name: 'Compare with now' }).click();
    await page.waitForSelector('.change');
    expect(await page.locator('.change').count()).toBe(57);
    expect(await page.locator('.change').first().textContent()).toMatch(
      /update\s*1.*total.*9007199254740994.00.*0.00/s,
    );
    expect(errors).toEqual([]);
  });

  test('search by the key, and by a value at any time', async () => {
    await using tab = await open(`/ui/${node.node}/search`);
    const { page } = tab;
    await settled(page);
    await page.getByLabel('Table').selectOption('public.orders');
    await page.getByLabel('Value').fill('2');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.long-list .line');
    await page.goto(serve.url + search());
    await page.waitForSelector('.grid tbody tr');
    expect(await page.locator('.grid').textContent()).toContain('step 12');
  });

  test('what is not known is said', async () => {
    await using tab = await open(`/ui/${node.node}/transactions?from=2020-01-01T00:00:00Z`);
    await settled(tab.page);
    expect(await tab.page.locator('.unknown').textContent()).toContain('Not known: before tracking');
  });

  // the last: it stops the server
  test('it goes on when the server is back', async () => {
    await using tab = await open(`/ui/${node.node}`);
    const { page } = tab;
    await settled(page);
    const port = new URL(serve.url).port;
    await serve.stop();
    await page.waitForSelector('.message.wrong', { timeout: 20_000 });
    serve = await startServe(['--port', port], { ...node.env, PGTIMEWARP_TOKEN: TOKEN });
    await page.waitForFunction(() => document.querySelector('.message.wrong') === null, undefined, {
      timeout: 20_000,
    });
  });
});
