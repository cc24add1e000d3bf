/** Debian's Chromium, and the page as `serve` gives it to browsers. */
import { type Browser, chromium } from 'playwright-core';
import { buildDocs } from '../../cli/dev/build/docs.ts';
import { bundlePage } from '../../cli/dev/build/page.ts';

/** The Debian package that contains it. */
export const CHROMIUM = '/usr/bin/chromium';

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
];

/** A browser without a window. Close it. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** Builds the page and `/docs`; a `serve` that starts after it has it. */
export async function buildPage(): Promise<void> {
  await bundlePage();
  await buildDocs();
}
