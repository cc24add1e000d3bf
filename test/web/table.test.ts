/** Tables in a real browser: every row in the order of a column, what runs add to searches, and tables that are unlike others. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromium, describeNeeding } from '../support/needs.ts';
import { type PageWorld, pageWorld } from '../support/page-world.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const PATIENT = { timeout: 60_000 };
const COLUMNS = Array.from({ length: 500 }, (_, n) => `c${n}`);

describeNeeding(chromium(), 'tables', () => {
  let world: PageWorld;
  let node: TrackedNode;

  beforeAll(async () => {
    node = await trackedNode({
      plugin: 'pgoutput',
      tables: `
        CREATE TABLE many (id bigint PRIMARY KEY, v int, note text);
        INSERT INTO many SELECT n, (n * 7919) % 451, CASE WHEN n % 3 = 0 THEN '' END FROM generate_series(1, 450) AS n;
        CREATE TABLE nothing (id int PRIMARY KEY);
        CREATE TABLE few (id int PRIMARY KEY);
        INSERT INTO few SELECT n FROM generate_series(1, 12) AS n;
        CREATE TABLE comma ("a,b" int PRIMARY KEY, a int, b int);
        INSERT INTO comma SELECT n, -n, n % 7 FROM generate_series(1, 250) AS n;
        CREATE TABLE wide (id int PRIMARY KEY, ${COLUMNS.map((name) => `${name} int`).join(', ')});
        INSERT INTO wide (id, c499) VALUES (1, 42);
        CREATE TABLE proto ("__proto__" text PRIMARY KEY, "constructor" text, "toString" jsonb, "a,b" int, "a b&c=d" text);
        INSERT INTO proto VALUES ('__proto__', '<b>', '{"__proto__": {"x": 1}, "deep": ${'['.repeat(200)}${']'.repeat(200)}}', 1, '&=?#%00');
      `,
      track: ['many', 'nothing', 'few', 'comma', 'wide', 'proto'],
    });
    world = await pageWorld(node, { every: '1s' });
  }, 300_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  const open: PageWorld['open'] = (view) => world.open(view);
  const cells = (page: Page, column: number): Promise<string[]> =>
    page.locator(`.grid.rows tbody td:nth-child(${column})`).allTextContents();
  const header = (page: Page, name: string) => page.locator('.grid.rows thead button', { hasText: name });
  const sortedBy = (page: Page): Promise<string[]> =>
    page
      .locator('.grid.rows th[aria-sort]')
      .evaluateAll((all) => all.map((each) => `${each.getAttribute('aria-sort')} ${each.textContent}`));

  test('a long table comes in the order of its numeric key, and a column sorts all of it, both ways', async () => {
    await using tab = await open('/table?table=public.many');
    const { page, errors } = tab;
    const ids = (from: number, to: number): string[] =>
      Array.from({ length: Math.abs(to - from) + 1 }, (_, n) => `${from < to ? from + n : from - n}`);
    await expect.poll(() => cells(page, 1), PATIENT).toEqual(ids(1, 200));
    expect(await sortedBy(page)).toEqual(['ascending id ↑']);
    await page.getByRole('button', { name: 'More rows' }).click();
    await expect.poll(() => cells(page, 1), PATIENT).toEqual(ids(1, 400));
    await header(page, 'id').press('Enter');
    await expect.poll(() => cells(page, 1), PATIENT).toEqual(ids(450, 251));
    expect(await sortedBy(page)).toEqual(['descending id ↓']);
    await header(page, 'v').click();
    await expect.poll(() => cells(page, 2), PATIENT).toEqual(ids(1, 200));
    expect(new URL(page.url()).searchParams.get('order')).toBe('v');
    await page.getByRole('button', { name: 'More rows' }).click();
    await expect.poll(() => cells(page, 2), PATIENT).toEqual(ids(1, 400));
    await page.reload();
    await expect.poll(() => cells(page, 2), PATIENT).toEqual(ids(1, 200));
    await header(page, 'v').click();
    await expect.poll(() => cells(page, 2), PATIENT).toEqual(ids(450, 251));
    await page.goBack();
    await expect.poll(() => sortedBy(page), PATIENT).toEqual(['ascending v ↑']);
    await page.goBack();
    await expect.poll(() => sortedBy(page), PATIENT).toEqual(['descending id ↓']);
    // the focus stays on the column that sorts
    await header(page, 'note').press('Enter');
    await expect.poll(() => sortedBy(page), PATIENT).toEqual(['ascending note ↑']);
    expect(await page.evaluate(() => document.activeElement?.textContent)).toMatch(/^note/);
    expect(errors).toEqual([]);
  });

  test('the column by which a short table is sorted already turns it round', async () => {
    await using tab = await open('/table?table=public.few');
    const { page, errors } = tab;
    await expect.poll(() => sortedBy(page), PATIENT).toEqual(['ascending id ↑']);
    await header(page, 'id').click();
    await expect.poll(() => sortedBy(page), PATIENT).toEqual(['descending id ↓']);
    expect((await cells(page, 1)).slice(0, 2)).toEqual(['12', '11']);
    await header(page, 'id').click();
    await expect.poll(() => sortedBy(page), PATIENT).toEqual(['ascending id ↑']);
    expect(errors).toEqual([]);
  });

  test('a long table whose key has a comma in its name comes by the text of its keys, as no column can sort it', async () => {
    await using tab = await open('/table?table=public.comma');
    const { page, errors } = tab;
    await expect.poll(async () => (await cells(page, 1)).length, PATIENT).toBe(200);
    await page.getByText('may belong between them').waitFor(PATIENT);
    expect(await sortedBy(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('an empty text can be looked for, and is not no filter', async () => {
    await using found = await open('/search?table=public.many&column=note&value=');
    await found.page
      .getByText('The first 200 rows')
      .or(found.page.locator('.grid tbody tr').nth(149))
      .first()
      .waitFor(PATIENT);
    expect(await found.page.locator('.grid tbody tr').count()).toBe(150);
    await using table = await open('/table?table=public.many');
    await table.page.getByLabel('Column').fill('note');
    await table.page.keyboard.press('Enter');
    await expect.poll(() => table.page.locator('.grid.rows tbody tr').count(), PATIENT).toBe(150);
    await table.page.reload();
    await expect.poll(() => table.page.locator('.grid.rows tbody tr').count(), PATIENT).toBe(150);
  });

  test('what runs add to a search and to a comparison with now is offered', async () => {
    const { rows } = await node.store.query<{ lsn: string }>(
      'SELECT c.applied_lsn::text AS lsn FROM pgtimewarp.wal_checkpoints AS c',
    );
    const at = encodeURIComponent(rows[0]!.lsn);
    await using found = await open('/search?table=public.many&column=v&value=1000');
    await using ever = await open('/search?table=public.many&column=v&value=1000&when=ever');
    await using compared = await open(`/table?table=public.many&at=${at}&compare=now`);
    for (const { page } of [found, ever]) await page.getByText('No row had this value.').waitFor(PATIENT);
    await compared.page.getByText('No row differs from now.').waitFor(PATIENT);
    await node.source.query('UPDATE many SET v = 1000 WHERE id = 5');
    for (const { page } of [found, ever, compared])
      await page.getByRole('button', { name: '1 newer transaction: show' }).click(PATIENT);
    for (const { page } of [found, ever])
      await expect.poll(() => page.locator('.grid tbody tr').count(), PATIENT).toBe(1);
    await expect.poll(() => compared.page.locator('.change').count(), PATIENT).toBe(1);
    for (const { errors } of [found, ever, compared]) expect(errors).toEqual([]);
  });

  test('tables without rows, of 500 columns, and with names that programs stumble over', async () => {
    await using empty = await open('/table?table=public.nothing');
    await empty.page.getByText('No row: the table was empty.').waitFor(PATIENT);
    await using wide = await open('/table?table=public.wide');
    await wide.page.waitForSelector('.grid.rows tbody tr');
    expect(await wide.page.locator('.grid.rows tbody td').count()).toBe(501);
    expect(await wide.page.locator('.grid.rows tbody td').last().textContent()).toBe('42');
    await using row = await open('/row?table=public.wide&pk=1');
    await row.page.waitForSelector('.long-list .line');
    await using odd = await open('/table?table=public.proto');
    await odd.page.waitForSelector('.grid.rows tbody tr');
    expect(await odd.page.locator('.grid.rows thead th').allTextContents()).toEqual([
      '__proto__ ↑',
      'constructor',
      'toString',
      'a,b',
      'a b&c=d',
    ]);
    expect(await cells(odd.page, 5)).toEqual(['&=?#%00']);
    for (const name of ['__proto__', 'constructor', 'a b&c=d']) {
      await header(odd.page, name).click();
      await expect.poll(() => sortedBy(odd.page), PATIENT).toEqual([expect.stringContaining(name)]);
    }
    await odd.page.getByLabel('Column').fill('__proto__');
    await odd.page.getByLabel('Value', { exact: true }).fill('__proto__');
    await odd.page.keyboard.press('Enter');
    await expect.poll(() => new URL(odd.page.url()).searchParams.get('value')).toBe('__proto__');
    await odd.page.locator('.grid.rows tbody a').first().click();
    await odd.page.waitForSelector('.long-list .line');
    expect(await odd.page.locator('h1').textContent()).toContain('__proto__');
    expect(await odd.page.locator('.row-view .differences').textContent()).toContain('constructor');
    await odd.page.getByRole('button', { name: 'Restore to here' }).click();
    await odd.page
      .getByRole('dialog')
      .getByText('nothing')
      .or(odd.page.getByRole('dialog').locator('textarea'))
      .first()
      .waitFor(PATIENT);
    await using search = await open(`/search?table=public.proto&column=__proto__&value=__proto__&when=ever`);
    await expect.poll(() => search.page.locator('.grid tbody tr').count(), PATIENT).toBe(1);
    for (const { errors } of [empty, wide, row, odd, search]) expect(errors).toEqual([]);
  });
});
