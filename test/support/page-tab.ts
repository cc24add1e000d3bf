/** A tab of the page, as somebody has it open. */
import type { Browser, Page } from 'playwright-core';

export interface PageTab extends AsyncDisposable {
  readonly page: Page;
  /** What the browser complains about, and what it asks of other servers. */
  readonly errors: readonly string[];
}

export interface PageTabOptions {
  /** Of the server; the tab knows it from the start. */
  readonly token?: string | null;
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** Origins beside the page's own that it may ask, as the issuer of tokens. */
  readonly origins?: readonly string[];
}

export async function pageTab(browser: Browser, url: string, options: PageTabOptions = {}): Promise<PageTab> {
  const { token = null, width = 1280, height = 900, dark = false, origins = [] } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    timezoneId: 'Asia/Kolkata',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/401|ERR_CONNECTION/.test(message.text())) errors.push(message.text());
  });
  const own = [new URL(url).origin, ...origins];
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.protocol !== 'blob:' && !own.includes(asked.origin)) errors.push(`asks ${request.url()}`);
  });
  if (token !== null)
    await page.addInitScript((text) => sessionStorage.setItem('pgtimewarp-token', text), token);
  await page.goto(url);
  return { page, errors, [Symbol.asyncDispose]: () => context.close() };
}

/** The view has its answers. */
export async function settled(page: Page): Promise<void> {
  await page.waitForSelector('h1');
  await page.waitForLoadState('networkidle');
  while ((await page.locator('.loading').allTextContents()).some((text) => text !== ''))
    await page.waitForTimeout(20);
}
