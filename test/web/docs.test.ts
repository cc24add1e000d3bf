/** `/docs` of `serve` in a real browser: readable without a script, without a token and without any other server. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { violations } from '../support/axe.ts';
import { buildPage, startBrowser } from '../support/browser.ts';
import { chromium, describeNeeding } from '../support/needs.ts';
import { pageTab } from '../support/page-tab.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import { type TestDatabases, testDatabases } from '../support/test-databases.ts';

const PICTURES = 'test-output/page';
const PATHS = ['/docs', '/docs/http'] as const;

describeNeeding(chromium(), 'the reference of the API', () => {
  let databases: TestDatabases;
  let serve: ServeProcess;
  let browser: Browser;

  beforeAll(async () => {
    await buildPage();
    [databases, browser] = await Promise.all([testDatabases(), startBrowser()]);
    serve = await startServe(
      ['--every', '1h'],
      { ...databases.env, PGTIMEWARP_TOKEN: 'of-this-test' },
      900_000,
    );
  });

  afterAll(async () => {
    await browser?.close();
    await serve?.[Symbol.asyncDispose]();
    await databases?.[Symbol.asyncDispose]();
  });

  const asHtml = { headers: { accept: 'text/html' } };

  test('it has every route of the description, and its policy allows this server alone', async () => {
    const { paths } = JSON.parse(readFileSync('http/openapi.json', 'utf8')) as { paths: object };
    const response = await fetch(`${serve.url}/docs`, asHtml);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'self';/);
    const text = await response.text();
    for (const path of Object.keys(paths)) expect(text).toContain(path);
    expect(text).not.toMatch(/<script|style=|https?:\/\/(?!127\.0\.0\.1)\S+\.(js|css|woff2?)/);
  });

  test('who does not ask for HTML, or for a page that is not there, gets what the API says', async () => {
    for (const [path, headers] of [
      ['/docs', { accept: 'application/json' }],
      ['/docs/nothing', asHtml.headers],
      ['/docs/%2e%2e/index', asHtml.headers],
    ] as const)
      expect((await fetch(serve.url + path, { headers })).status, path).toBe(401);
  });

  test('every link leads somewhere', async () => {
    const texts = new Map<string, string>();
    for (const path of PATHS) texts.set(path, await (await fetch(serve.url + path, asHtml)).text());
    for (const [path, text] of texts) {
      const links = [...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href!);
      expect(links.length).toBeGreaterThan(10);
      for (const link of links.filter((each) => !each.startsWith('http'))) {
        const [file = '', anchor] = link.split('#');
        const target = texts.get(file === '' ? path : file);
        if (target === undefined) expect((await fetch(serve.url + file, asHtml)).status, link).toBe(200);
        else if (anchor !== undefined) expect(target, link).toContain(` id="${anchor}"`);
      }
    }
  });

  for (const path of PATHS)
    for (const [width, dark] of [
      [360, false],
      [360, true],
      [1280, false],
      [1280, true],
    ] as const) {
      test(`${path} at ${width} pixels, ${dark ? 'dark' : 'light'}: axe finds nothing, nothing is too wide`, async () => {
        await using tab = await pageTab(browser, serve.url + path, { width, dark });
        const { page, errors } = tab;
        expect(await violations(page)).toEqual([]);
        const tooWide = await page.evaluate(
          () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
        );
        expect(tooWide).toBe(false);
        expect(errors).toEqual([]);
        mkdirSync(PICTURES, { recursive: true });
        const name = `docs${path.slice(5).replace('/', '-')}-${width}${dark ? '-dark' : ''}.png`;
        await page.screenshot({ path: join(PICTURES, name) });
      });
    }
});
