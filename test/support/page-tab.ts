/** A tab of the page, as somebody has it open. */
import type { Browser, Page } from 'playwright-core';

export interface PageTab extends AsyncDisposable {
  readonly page: Page;
  /** What the browser complains about. */
  readonly errors: readonly string[];
}

export interface PageTabOptions {
  /** Of the server; the tab knows it from the start. */
  readonly token?: string;
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
}

export async function pageTab(browser: Browser, url: string, options: PageTabOptions = {}): Promise<PageTab> {
  const { token, width = 1280, height = 900, dark = false } = options;
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
  if (token !== undefined)
    await page.addInitScript((text) => sessionStorage.setItem('pgtimewarp-token', text), token);
  await page.goto(url);
  return { page, errors, [Symbol.asyncDispose]: () => context.close() };
}
