/**
 * A source whose clock is a year ahead for a while: no instant of that year becomes known, commits keep their order, and doctor
 * reports it. After the clock is corrected, nothing is left of it.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asOf } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { runCommand } from '../../support/command.ts';
import { pasteRemedy, troubles, verdicts } from '../../support/doctored.ts';
import { allOf, describeNeeding, type Need } from '../../support/needs.ts';
import { ownSource } from '../../support/own-source.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { wrappedServer } from '../../support/wrapped-server.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
const FAKETIME: Need = {
  what: 'libfaketime',
  met: existsSync(LIBRARY),
  remedy: 'apt-get install libfaketime',
};

for (const plugin of PLUGINS) {
  describeNeeding(
    allOf(needOf(plugin), FAKETIME),
    `a clock that is a year ahead for a while, ${plugin}`,
    () => {
      test('the clock of the store limits its times', { timeout: 120_000 }, async () => {
        const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-clock-'));
        const file = join(folder, 'offset');
        const setClock = (offset: string): Promise<void> => writeFile(file, offset);
        await setClock('+0');
        const binaries = await wrappedServer(folder, [
          `LD_PRELOAD=${LIBRARY} FAKETIME_TIMESTAMP_FILE=${file} FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1`,
        ]);
        const node = await ownSource({ plugin, binaries });
        try {
          await node.poll();
          await setClock('+365d');
          await node.sql('UPDATE orders SET total = 11 WHERE id = 1');
          await node.sql('UPDATE orders SET total = 12 WHERE id = 1');
          await node.poll();
          await node.poll();
          expect(secondsAhead(await node.horizon())).toBeLessThanOrEqual(61);
          expect(await node.events()).toContain('CLOCK_AHEAD');
          expect((await node.events()).filter((code) => code === 'CLOCK_AHEAD')).toHaveLength(1);
          expect(verdicts(await troubles(node.urls))).toContain('fail clocks');
          const later = await asOf(node.databases.store, {
            ...{ node: node.urls.node, table: { schema: 'public', name: 'orders' }, pk: keyFromText('1') },
            at: parseInstant(new Date(Date.now() + 30 * 86_400_000).toISOString()),
          });
          expect(JSON.parse(later.answerText)).toMatchObject({ final: false });
          const rebaselined = await node.rebaseline(); // its start is bounded too
          expect(secondsAhead(rebaselined.gap.to)).toBeLessThanOrEqual(61);

          await setClock('+0');
          await node.sql('UPDATE orders SET total = 13 WHERE id = 1');
          await node.poll();
          expect(secondsAhead(await node.horizon())).toBeLessThanOrEqual(61);
          expect(await node.state('1')).toBe('found 13');
          expect(verdicts(await troubles(node.urls))).not.toContain('fail clocks');

          // an earlier version has stored such a time
          await node.databases.store.query(
            `UPDATE pgtimewarp.wal_checkpoints SET applied_ts = applied_ts + interval '1 year'`,
          );
          const ahead = await troubles(node.urls);
          expect(verdicts(ahead)).toContain('fail horizon_ahead');
          await pasteRemedy(node.urls, ahead, 'horizon_ahead');
          const second = { ...node.urls, node: `${node.urls.node}_2` };
          await runCommand(['track', 'orders', '--shared'], second);
          expect(await troubles(second)).toEqual([]);
        } finally {
          await node[Symbol.asyncDispose]();
          await rm(folder, { recursive: true });
        }
      });
    },
  );
}

function secondsAhead(instant: string): number {
  return (Date.parse(instant) - Date.now()) / 1000;
}
