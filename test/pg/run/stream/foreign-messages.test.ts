/** A server with messages in another language: no decision about its errors and warnings depends on their words. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { poll } from '../../../../core/poll.ts';
import { advanceSlot } from '../../../../core/source/slot/advance.ts';
import { parseLsn } from '../../../../core/types/lsn.ts';
import { pasteRemedy, troubles, verdicts } from '../../../support/doctored.ts';
import { allOf, describeNeeding, germanMessages } from '../../../support/needs.ts';
import { type OwnSource, ownSource } from '../../../support/own-source.ts';
import { needOf } from '../../../support/plugins.ts';
import { connectForTest } from '../../../support/test-client.ts';
import { wrappedServer } from '../../../support/wrapped-server.ts';

describeNeeding(allOf(needOf('wal2json'), germanMessages()), 'a source that speaks German', () => {
  let folder: string;
  let node: OwnSource;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-german-'));
    // a locale that every machine has, and beside it the language of messages
    const binaries = await wrappedServer(folder, ['LANGUAGE=de']);
    node = await ownSource({ plugin: 'wal2json', binaries, settings: { lc_messages: 'C.UTF-8' } });
    await expect(node.sql('SELECT 1 / 0')).rejects.toThrow('Division durch Null'); // otherwise the test proves nothing
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const setPlugins = async (list: string): Promise<void> => {
    await node.sql(`ALTER SYSTEM SET output_plugin_libraries = ${list}`);
    await node.sql('SELECT pg_reload_conf()');
  };

  test('warnings about rows without a key are recognised', async () => {
    await node.sql('ALTER TABLE orders REPLICA IDENTITY NOTHING');
    await node.sql('UPDATE orders SET total = 11 WHERE id = 1');
    await node.sql('ALTER TABLE orders REPLICA IDENTITY DEFAULT');
    await node.poll();
    expect(await node.gaps()).toHaveLength(1);
    await expect.poll(() => node.poll().then(() => node.state('1'))).toBe('found 11');
  });

  test('a slot that is already further does not move back', async () => {
    const session = await connectForTest(node.urls.sourceUrl);
    try {
      expect(await advanceSlot(session, node.slot, parseLsn('0/1'))).toBeNull();
    } finally {
      await session.end();
    }
  });

  test('a refused plugin and a role without REPLICATION are distinguished', async ({ skip }) => {
    const { rows } = await node.sql(`SELECT FROM pg_settings WHERE name = 'output_plugin_libraries'`);
    if (rows.length === 0) skip('this minor version permits every plugin');
    await node.sql(`CREATE ROLE reader LOGIN PASSWORD 'p' REPLICATION IN ROLE pg_read_all_data`);
    await node.sql(`CREATE ROLE plain LOGIN PASSWORD 'p' IN ROLE pg_read_all_data`);
    const as = (role: string) => ({ ...node.urls, sourceUrl: node.server.url('source', role, 'p') });
    await setPlugins('pgoutput');
    await expect
      .poll(() => poll(as('reader')).catch((error: unknown) => error))
      .toMatchObject({
        code: 'PLUGIN_REFUSED',
        message: expect.stringContaining('Ausgabe-Plugin'),
      });
    const found = await troubles(as('reader'));
    expect(verdicts(found)).toEqual(['fail plugin_permitted']);
    await pasteRemedy(node.urls, found, 'plugin_permitted');
    await expect.poll(() => troubles(as('reader'))).toEqual([]);
    expect(await poll(as('reader'))).toMatchObject({ outcome: 'done' });
    await expect(poll(as('plain'))).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});
