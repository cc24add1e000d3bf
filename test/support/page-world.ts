/** `serve` with its page, and a browser, for the history of a node: what most tests of the page begin with. */
import { buildPage, startBrowser } from './browser.ts';
import { type PageTab, type PageTabOptions, pageTab } from './page-tab.ts';
import { startServe } from './serve.ts';
import type { TrackedNode } from './tracked-node.ts';

/** Tests look for a long time. */
const LONGEST_MS = 900_000;

export interface PageWorld extends AsyncDisposable {
  /** A tab with a view of the node, such as `/tables`. */
  open(view: string, options?: PageTabOptions): Promise<PageTab>;
}

/**
 * Takes over the node, and disposes of it with the rest.
 * @param every how often `serve` makes runs; by default not while tests look
 */
export async function pageWorld(node: TrackedNode, { every = '1h' } = {}): Promise<PageWorld> {
  await using started = new AsyncDisposableStack();
  started.use(node);
  await buildPage();
  const serve = started.use(await startServe(['--every', every], node.env, LONGEST_MS));
  const browser = started.adopt(await startBrowser(), (each) => each.close());
  const all = started.move();
  return {
    open: (view, options) => pageTab(browser, `${serve.url}/ui/${node.node}${view}`, options),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
