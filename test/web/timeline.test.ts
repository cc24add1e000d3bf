/** A row with very many versions (PAGE_VERSIONS) in a real browser: every one can be reached, and scrolling stays smooth. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromium, describeNeeding } from '../support/needs.ts';
import { type PageWorld, pageWorld } from '../support/page-world.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const VERSIONS = Number.parseInt(process.env.PAGE_VERSIONS ?? '20000', 10);
/** Of the main thread's own time: then it could draw 50 frames a second, whatever else the machine does. */
const MOST_MS_A_FRAME = 20;
const FRAMES = 240;
const ROW = '/row?table=public.t&pk=1';
const PIXELS_A_FRAME = 1_300;

describeNeeding(chromium(), 'a long timeline', () => {
  let world: PageWorld;
  let node: TrackedNode;

  beforeAll(async () => {
    node = await trackedNode({
      plugin: 'pgoutput',
      tables: 'CREATE TABLE t (id int PRIMARY KEY, v int, note text); INSERT INTO t VALUES (1, 0, NULL)',
      track: ['t'],
    });
    await node.catchUp();
    await addVersions(node, VERSIONS);
    world = await pageWorld(node);
  });

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  test('every version is reached, newest first, and scrolling has time for 50 frames a second', async () => {
    await using tab = await world.open(ROW);
    const { page, errors } = tab;
    await page.waitForSelector('.long-list .line');
    // the first answers are enough: nothing waits for all versions
    expect(await loaded(page)).toBeLessThan(5_000);
    expect(await page.locator('.row-view tr', { hasText: /^v/ }).first().textContent()).toContain(
      `${VERSIONS}`,
    );
    const start = performance.now();
    while ((await page.locator('#versions').textContent())?.includes('so far')) {
      await page.evaluate(() => document.querySelector('.long-list')!.scrollTo({ top: 1e9 }));
      await page.waitForTimeout(20);
    }
    const loadingMs = performance.now() - start;
    expect(await loaded(page)).toBe(VERSIONS + 1);
    await page.evaluate(() => document.querySelector('.long-list')!.scrollTo({ top: 1e9 }));
    await page.locator(`.line[aria-posinset="${VERSIONS + 1}"]`).click();
    await page.waitForFunction(() => document.querySelector('#chosen')?.textContent?.startsWith('read'));
    const { fps, msAFrame } = await scroll(page);
    console.log(
      `${VERSIONS} versions loaded in ${Math.round(loadingMs)} ms; scrolling: ${fps.toFixed(1)} frames/s, ${msAFrame.toFixed(2)} ms of the main thread a frame`,
    );
    expect(msAFrame).toBeLessThan(MOST_MS_A_FRAME);
    expect(await page.locator('.long-list .line').count()).toBeLessThan(80);
    expect(errors).toEqual([]);
  }, 400_000);

  test('a version far back can be shared: its address opens it', async () => {
    const back = VERSIONS - 4_000;
    await using tab = await world.open(`${ROW}&at=${encodeURIComponent(await lsnOf(node, back))}`);
    await tab.page.waitForSelector('.line[aria-selected=true]');
    expect(await tab.page.locator('.row-view tr', { hasText: /^v/ }).first().textContent()).toContain(
      `${back}`,
    );
    await tab.page.locator('.long-list').focus();
    await tab.page.keyboard.press('ArrowRight');
    await expect
      .poll(() => tab.page.locator('.row-view tr', { hasText: /^v/ }).first().textContent())
      .toContain(`${back + 1}`);
  });
});

const loaded = async (page: Page): Promise<number> =>
  Number((await page.locator('#versions').textContent())!.replaceAll(/\D/g, ''));

/** Scrolls by a constant way each frame, from top to bottom; the time is that of the thread, not of the clock. */
async function scroll(page: Page): Promise<{ fps: number; msAFrame: number }> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  const taskMs = async (): Promise<number> => {
    const { metrics } = await cdp.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')!.value * 1000;
  };
  await page.evaluate(() => document.querySelector('.long-list')!.scrollTo({ top: 0 }));
  const before = await taskMs();
  const ms = await page.evaluate(
    async ([frames, pixels]) => {
      const list = document.querySelector('.long-list')!;
      const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
      const first = await frame();
      let last = first;
      for (let index = 0; index < frames; index++) {
        list.scrollTop += pixels;
        last = await frame();
      }
      return last - first;
    },
    [FRAMES, PIXELS_A_FRAME] as const,
  );
  return { fps: (FRAMES * 1000) / ms, msAFrame: ((await taskMs()) - before) / FRAMES };
}

async function lsnOf(node: TrackedNode, v: number): Promise<string> {
  const { rows } = await node.store.query<{ lsn: string }>(
    `SELECT valid_from_lsn::text AS lsn FROM pgtimewarp.row_changes WHERE row_data ->> 'v' = $1::text`,
    [v],
  );
  return rows[0]!.lsn;
}

/** Writes versions of row 1 straight into the store, a minute of them, before the horizon. */
async function addVersions({ store, node }: TrackedNode, count: number): Promise<void> {
  await store.query('BEGIN');
  await store.query(
    `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn, ts, commit_ts, xid)
     SELECT c.node_id, c.applied_lsn + i, c.applied_ts + i * interval '1 ms', c.applied_ts + i * interval '1 ms', i
       FROM pgtimewarp.wal_checkpoints AS c, generate_series(1, $2::int) AS i WHERE c.node_id = $1`,
    [node, count],
  );
  await store.query(
    `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid, row_data)
     SELECT t.relation_id, '["1"]', c.applied_lsn + i, c.applied_ts + i * interval '1 ms', 0, 'U', i,
            json_build_object('id', 1, 'v', i, 'note', repeat('x', i % 40))
       FROM pgtimewarp.wal_checkpoints AS c JOIN pgtimewarp.tracked_relations AS t ON t.node_id = c.node_id,
            generate_series(1, $2::int) AS i WHERE c.node_id = $1`,
    [node, count],
  );
  await store.query(
    `UPDATE pgtimewarp.wal_checkpoints SET applied_lsn = applied_lsn + $2::int, applied_ts = applied_ts + ($2::int + 1) * interval '1 ms'
      WHERE node_id = $1`,
    [node, count],
  );
  await store.query('COMMIT');
}
