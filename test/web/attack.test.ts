/**
 * What outsiders, gateways and servers that fail do to the page: it says what is wrong, keeps what it shows, and goes on. Failing
 * servers are played by the browser, which answers in their place; every other answer is that of `serve`.
 */
import type { Page, Route } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromium, describeNeeding } from '../support/needs.ts';
import { settled } from '../support/page-tab.ts';
import { type PageWorld, pageWorld } from '../support/page-world.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const PATIENT = { timeout: 60_000 };
const HTML = { status: 200, contentType: 'text/html', body: '<h1>Sign in to the hotel</h1>' };
const FAILURES = [
  [
    'a gateway that counts requests',
    { status: 429, json: { message: 'Too Many Requests' } },
    /429: Too Many Requests/,
  ],
  [
    'a server that fails',
    { status: 500, contentType: 'text/plain', body: 'Internal' },
    /not a JSON document/,
  ],
  ['a page in front of the server', HTML, /not a JSON document/],
  ['an answer that is null', { status: 200, json: null }, /not a JSON document/],
  [
    'an answer that is too large',
    { status: 413, json: { title: 'Too large', detail: 'A row does not fit.' } },
    /does not fit/,
  ],
] as const;

describeNeeding(chromium(), 'whatever happens', () => {
  let world: PageWorld;
  let node: TrackedNode;

  beforeAll(async () => {
    node = await trackedNode({
      plugin: 'pgoutput',
      tables: `
        CREATE TABLE t (id int PRIMARY KEY, v text);
        INSERT INTO t SELECT n, 'x' FROM generate_series(1, 450) AS n;
        CREATE TABLE pair (region text, id int, v int, PRIMARY KEY (region, id));
        INSERT INTO pair VALUES ('eu', 7, 1);
        CREATE TABLE renamed (id int PRIMARY KEY, was text);
        INSERT INTO renamed VALUES (1, 'old')`,
      track: ['t', 'pair', 'renamed'],
    });
    for (let round = 0; round < 120; round++)
      await node.source.query(`UPDATE t SET v = $1 WHERE id = 1`, [`${round}`]);
    await node.source.query(`UPDATE t SET v = 'all'`);
    await node.source.query('ALTER TABLE renamed RENAME was TO "is"');
    await node.source.query(`UPDATE renamed SET "is" = 'new'`);
    await node.catchUp();
    world = await pageWorld(node);
  }, 300_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  const open: PageWorld['open'] = (view) => world.open(view);
  const fail = async (page: Page, path: RegExp, how: Parameters<Route['fulfill']>[0]): Promise<void> => {
    await page.route(
      (url) => path.test(url.pathname),
      (route) => route.fulfill(how),
    );
  };
  const alert = (page: Page) => page.locator('main [role=alert]');

  test.each(FAILURES)('%s: what is shown stays, and the page goes on afterwards', async (_, how, says) => {
    await using tab = await open(`/transactions/${await largest()}`);
    const { page } = tab;
    await page.waitForSelector('.change');
    await page.getByRole('button', { name: 'Undo this' }).click();
    await page.getByLabel('SQL').waitFor(PATIENT);
    await fail(page, /^\/v1\//, how);
    await page.waitForResponse((response) => response.url().endsWith('/v1/nodes'), PATIENT);
    await alert(page).getByText(says).first().waitFor(PATIENT);
    expect(await page.getByLabel('SQL').inputValue()).toContain('BEGIN');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'More rows' }).click();
    await expect.poll(() => alert(page).count(), PATIENT).toBe(2);
    expect(await page.locator('.change').count()).toBe(100);
    await page.unrouteAll();
    await page.getByRole('button', { name: 'More rows' }).click();
    await expect.poll(() => page.locator('.change').count(), PATIENT).toBe(200);
    await expect.poll(() => alert(page).count(), PATIENT).toBe(0);
    expect(tab.errors.filter((each) => !/Failed to load resource/.test(each))).toEqual([]);
  });

  /** The transaction that changed the most rows, as a segment of a path. */
  async function largest(): Promise<string> {
    const { rows } = await node.store.query<{ lsn: string }>(
      `SELECT valid_from_lsn::text AS lsn FROM pgtimewarp.row_changes WHERE op = 'U' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1`,
    );
    return rows[0]!.lsn.replace('/', '-');
  }

  test('pages that follow fail in every list, and a second click asks again', async () => {
    for (const [view, button, lines, path] of [
      ['/table?table=public.t', 'More rows', '.grid.rows tbody tr', /\/rows$/],
      ['/transactions', 'Older transactions', '.grid tbody tr', /\/transactions$/],
    ] as const) {
      await using tab = await open(view);
      const { page } = tab;
      await page.getByRole('button', { name: button }).waitFor(PATIENT);
      await settled(page);
      const before = await page.locator(lines).count();
      await fail(page, path, { status: 503, json: { detail: 'The store does not answer.' } });
      await page.getByRole('button', { name: button }).click();
      await alert(page).getByText('The store does not answer.').waitFor(PATIENT);
      expect(await page.locator(lines).count()).toBe(before);
      await page.unrouteAll();
      await page.getByRole('button', { name: button }).click();
      await expect.poll(() => page.locator(lines).count(), PATIENT).toBeGreaterThan(before);
      expect(await alert(page).count()).toBe(0);
    }
  });

  test('a table that nobody asked to sort is shown where the store cannot sort it', async () => {
    await using tab = await open('/tables');
    const { page } = tab;
    const isOrdered = (url: URL): boolean => url.pathname.startsWith('/v1/') && url.searchParams.has('order');
    const failure = { status: 503, json: { detail: 'The store does not answer.' } };
    await page.route(isOrdered, (route) => route.fulfill(failure));
    const refused = page.waitForResponse((response) => isOrdered(new URL(response.url())), PATIENT);
    await page.getByRole('link', { name: 'public.t', exact: true }).click();
    await refused;
    await expect.poll(() => page.locator('.grid.rows tbody tr').count(), PATIENT).toBe(200);
    await page.getByText('may belong between them').waitFor(PATIENT);
    expect(await alert(page).count()).toBe(0);
    await page.locator('.grid.rows thead button', { hasText: 'v' }).click();
    await alert(page).getByText('The store does not answer.').waitFor(PATIENT);
  });

  test('rows that are not saved are said to be so until there are others', async () => {
    await using tab = await open('/table?table=public.pair');
    const { page } = tab;
    await settled(page);
    await fail(page, /\/rows$/, { status: 503, json: { detail: 'The store does not answer.' } });
    await page.getByRole('button', { name: 'Download CSV' }).click();
    await alert(page).getByText('The store does not answer.').waitFor(PATIENT);
    await page.unrouteAll();
    await page.locator('.grid.rows thead button', { hasText: 'region' }).click();
    await page.waitForURL(/order=region/);
    await expect.poll(() => alert(page).count(), PATIENT).toBe(0);
  });

  test('an answer that a view cannot show fails this view alone', async () => {
    await using tab = await open('/tables');
    const { page } = tab;
    await fail(page, /\/transactions$/, { status: 200, json: { transactions: 7, unknown: null } });
    await page.getByRole('link', { name: 'Transactions' }).click();
    await alert(page).getByText('This view has failed').waitFor(PATIENT);
    await page.getByRole('link', { name: 'Tables' }).click();
    await page.locator('.grid tbody tr').first().waitFor(PATIENT);
    expect(await alert(page).count()).toBe(0);
  });

  test('hostile addresses are answered by a sentence', async () => {
    const long = 'x'.repeat(9_000);
    for (const [view, says] of [
      ['/table?table=public.none', /has no history|not tracked/i],
      ['/table?table=public.t&at=javascript:alert(1)', /point in time|instant|RFC 3339/i],
      ['/table?table=public.t&order=none', /no column none/],
      ['/table?table=public.t&column=v%00&value=1', /U\+0000/],
      ['/table?table=..%2F..%2Fhealth', /./],
      ['/row?table=public.t&pk=%7B%22id%22:%7B%7D%7D', /key/i],
      [`/row?table=public.t&pk=${'9'.repeat(400)}`, /key/i],
      ['/transactions?by=%3Dx', /./],
      ['/transactions?from=2020-13-45', /./],
      ['/transactions/%2e%2e%2f%2e%2e', /./],
      ['/transactions/0-FFFFFFFF', /No transaction|unknown/i],
      ['/search?table=public.none&column=v&value=1&when=ever', /has no history|not tracked/i],
      [`/search?table=public.t&column=v&value=${long}`, /No row had this value/],
      ['/constructor', /There is no such view/],
      ['/__proto__?__proto__=1', /There is no such view/],
    ] as const) {
      await using tab = await open(view);
      const said = tab.page.locator('main [role=alert], main .message').getByText(says).first();
      await said
        .waitFor({ timeout: 30_000 })
        .catch(() => expect.fail(`${view.slice(0, 80)}: nothing is said`));
      expect(
        tab.errors.filter((each) => !/Failed to load resource/.test(each)),
        view.slice(0, 80),
      ).toEqual([]);
    }
  });

  test('a value that is too long for a request is refused, and the page stays', async () => {
    await using tab = await open('/search');
    const { page } = tab;
    await settled(page);
    await page.getByLabel('Table').selectOption('public.t');
    await page.getByLabel('Column').fill('v');
    await page.getByLabel('Value').fill('x'.repeat(20_000));
    await page.keyboard.press('Enter');
    await alert(page)
      .getByText(/too long|longer|16 kB/i)
      .waitFor(PATIENT);
  });

  test('a key of several columns is searched for as JSON, and the page says so', async () => {
    await using tab = await open('/search');
    const { page } = tab;
    await settled(page);
    await page.getByLabel('Table').selectOption('public.pair');
    await page.getByLabel('Value').fill('7');
    await page.keyboard.press('Enter');
    await alert(page).getByText('The key has 2 columns').waitFor(PATIENT);
    await page.goBack();
    await settled(page);
    await page.getByLabel('Table').selectOption('public.pair');
    await page.getByLabel('Value').fill('{"region":"eu","id":7}');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.long-list .line');
  });

  test('the SQL of another choice cannot be copied while the plan is asked for', async () => {
    await node.source.query(`UPDATE t SET v = 'later' WHERE id = 3`);
    await node.catchUp();
    await using tab = await open(`/transactions/${await largest()}`);
    const { page } = tab;
    await page.getByRole('button', { name: 'Undo this' }).click();
    await page.getByLabel('SQL').waitFor(PATIENT);
    let answer = (): void => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route(/restore-plans$/, async (route) => {
      await held;
      await route.continue();
    });
    await page.getByLabel('Leave rows in conflict as they are').press('Space');
    await expect.poll(() => page.getByRole('button', { name: 'Copy SQL' }).count(), PATIENT).toBe(0);
    answer();
    await page.getByRole('button', { name: 'Copy SQL' }).waitFor(PATIENT);
    await page.unrouteAll({ behavior: 'wait' });
  });

  test('a renamed column is one column, and sorts', async () => {
    await using then = await open('/row?table=public.renamed&pk=1');
    await then.page.waitForSelector('.long-list .line');
    await using now = await open('/table?table=public.renamed&order=is');
    await expect
      .poll(() => now.page.locator('.grid.rows tbody td').allTextContents(), PATIENT)
      .toEqual(['1', 'new']);
    for (const { errors } of [then, now]) expect(errors).toEqual([]);
  });
});
