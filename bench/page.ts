/**
 * The first view of the page in Chromium on loopback, with a history of millions of versions, one every 864 ms up to now: 100,000
 * in the last day. Each view is loaded anew by a browser that has nothing of it.
 */
import type { Browser } from 'playwright-core';
import { buildPage, startBrowser } from '../test/support/browser.ts';
import { generateHistory, HISTORY_NODE, HISTORY_TABLE } from './generated-history.ts';
import { type Benchmark, benchServer, figure, type Size, timeMs } from './harness.ts';
import { listening, polledSource, serveFlags } from './support/listening.ts';

const VERSIONS: Readonly<Record<Size, number>> = { quick: 1_000_000, usual: 1_000_000, full: 10_000_000 };
const ROUNDS: Readonly<Record<Size, number>> = { quick: 2, usual: 7, full: 11 };
const EVERY_MS = 864;
const HOUR_MS = 3_600_000;
const TABLE = `${HISTORY_TABLE.schema}.${HISTORY_TABLE.name}`;
const UI = `/ui/${HISTORY_NODE}`;
/** Each with what it must show. */
const VIEWS = [
  ['overview', UI, '.activity .bar, .activity .unknown-part'],
  ['transactions', `${UI}/transactions`, '.grid tbody tr'],
  ['row', `${UI}/row?table=${TABLE}&pk=7`, '.row-view .differences tr'],
] as const;

export const page: Benchmark = {
  name: 'page',
  title: 'The first view of the page, and what it asks for',
  run: async (size, log) => {
    await buildPage();
    await using server = await benchServer();
    const versions = VERSIONS[size];
    log(`generating ${versions} versions`);
    // it ends after the benchmark, so that the last hour is one throughout
    const beginsAt = new Date(Date.now() + HOUR_MS / 4 - versions * EVERY_MS).toISOString();
    const history = { versions, keys: versions / 10, everyMs: EVERY_MS, beginsAt };
    await (await generateHistory(server.storeUrl, history)).end();
    await polledSource(server);
    await using serve = await listening(...['cli/main.ts', 'serve', '--port', '0', ...serveFlags(server)]);
    const browser = await startBrowser();
    try {
      const views = VIEWS.map(([name, path, shown]) => ({ name, path, shown, timesMs: [] as number[] }));
      const spans = [1, 24].map((hours) => ({ hours, timesMs: [] as number[] }));
      for (let round = -1; round < ROUNDS[size]; round++) {
        log(round < 0 ? 'warming up' : `round ${round + 1} of ${ROUNDS[size]}`);
        for (const { path, shown, timesMs } of views) {
          const ms = await firstView(browser, serve.url + path, shown);
          if (round >= 0) timesMs.push(ms);
        }
        for (const { hours, timesMs } of spans) {
          const ms = await timeMs(() => activity(serve.url, hours));
          if (round >= 0) timesMs.push(ms);
        }
      }
      const of = `of ${versions.toLocaleString('en')} versions`;
      return [
        ...views.map(({ name, timesMs }) =>
          figure(`${name} ${of}: until it shows its answer`, timesMs, 'ms', { digits: 0, target: '≤ 1000' }),
        ),
        ...spans.map(({ hours, timesMs }) =>
          figure(
            `activity of ${hours} h (${Math.round((hours * HOUR_MS) / EVERY_MS)} commits)`,
            timesMs,
            'ms',
            {
              target: '≤ 100',
            },
          ),
        ),
      ];
    } finally {
      await browser.close();
    }
  },
};

/** From the start of the navigation until the view has what it shows, by the clock of the tab. */
async function firstView(browser: Browser, url: string, shown: string): Promise<number> {
  const context = await browser.newContext();
  try {
    const tab = await context.newPage();
    // as text: it runs in the browser
    await tab.addInitScript({
      content: `new MutationObserver(() => {
        if (document.querySelector(${JSON.stringify(shown)}) === null || 'shownAt' in globalThis) return;
        requestAnimationFrame(() => { globalThis.shownAt = performance.now(); });
      }).observe(document, { childList: true, subtree: true })`,
    });
    await tab.goto(url);
    const handle = await tab.waitForFunction(() => (globalThis as { shownAt?: number }).shownAt);
    return (await handle.jsonValue())!;
  } finally {
    await context.close();
  }
}

async function activity(url: string, hours: number): Promise<void> {
  const to = Date.now();
  const ends = [to - hours * HOUR_MS, to].map((ms) => new Date(ms).toISOString());
  const response = await fetch(
    `${url}/v1/nodes/${HISTORY_NODE}/activity?from=${ends[0]}&to=${ends[1]}&buckets=96`,
  );
  if (!response.ok) throw new Error(await response.text());
  await response.arrayBuffer();
}
