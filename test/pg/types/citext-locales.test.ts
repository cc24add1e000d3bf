/** A citext key is found by exactly those spellings that the source calls equal, whatever locale its database has. */
import { describe, expect, test } from 'vitest';
import { asOf } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { init } from '../../../core/setup/init.ts';
import { track } from '../../../core/track.ts';
import { serverInfo } from '../../support/server-info.ts';
import { connectForTest } from '../../support/test-client.ts';
import { testDatabases } from '../../support/test-databases.ts';

const major = Number.parseInt(serverInfo().version, 10);

/** [locale, whether keys of citext are refused, options of CREATE DATABASE, the first version that has them] */
const LOCALES = [
  ['C', false, `LOCALE 'C'`, 13],
  ['C.UTF-8 of libc', false, `LOCALE 'C.UTF-8'`, 13],
  ['the root of ICU', false, `LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'und'`, 15],
  ['German of ICU', false, `LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE'`, 15],
  ['Turkish of ICU', true, `LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'`, 15],
  ['C.UTF-8 of PostgreSQL', false, `LOCALE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'`, 17],
  ['PG_UNICODE_FAST', false, `LOCALE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST'`, 18],
] as const;

const WORDS = ['TITLE', 'title', 'tıtle', 'TİTLE', 'ΟΔΟΣ', 'οδος', 'οδοσ', 'École', 'ÉCOLE', 'ẞ', 'ß', 'SS'];

describe.each(LOCALES.filter(([, , , since]) => major >= since))('%s', (_, isRefused, options) => {
  test('each spelling of a key is found if it is equal on the source', async () => {
    await using databases = await testDatabases({ store: 'migrated' });
    const { source: admin, store, storeUrl, node } = databases;
    const name = `citext_${node}`;
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' ${options}`);
    const url = new URL(databases.sourceUrl);
    url.pathname = `/${name}`;
    const urls = { sourceUrl: url.toString(), storeUrl, node };
    const source = await connectForTest(urls.sourceUrl);
    try {
      await source.query('CREATE EXTENSION citext; CREATE TABLE t (id citext PRIMARY KEY, n int)');
      for (const word of WORDS)
        await source.query('INSERT INTO t VALUES ($1, 1) ON CONFLICT DO NOTHING', [word]);
      await init({ ...urls, plugin: 'pgoutput', slotName: null, version: 'test' });
      const table = { schema: 'public', name: 't' };
      const tracking = track({ ...urls, table, baseline: true, exclude: [], retention: null, noNan: false });
      if (isRefused) {
        await expect(tracking).rejects.toMatchObject({ code: 'KEY_TYPE_REFUSED' });
        return;
      }
      await tracking;
      for (const word of WORDS) {
        const { rows } = await source.query<{ id: string }>(
          'SELECT id::text AS id FROM t WHERE id = $1::citext',
          [word],
        );
        const answer = await asOf(store, { node, table, pk: keyFromText(word), at: parseInstant(null) });
        expect(JSON.parse(answer.answerText), word).toMatchObject({
          status: 'found',
          row: { id: rows[0]!.id },
        });
      }
    } finally {
      await source.end();
      await admin.query(
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${name}'`,
      );
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });
});
