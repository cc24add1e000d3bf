/** Questions about one key: the bare index read, the whole answer, and pages of a diff, as history grows. */
import type pg from 'pg';
import { asOf } from '../core/query/as-of.ts';
import { diff } from '../core/query/diff.ts';
import { NOW, parseInstant } from '../core/query/instant.ts';
import { keyFromText } from '../core/query/key-input.ts';
import {
  drawKey,
  generateHistory,
  HISTORY_NODE,
  HISTORY_TABLE,
  type HistorySize,
  somewhere,
} from './generated-history.ts';
import {
  type Benchmark,
  benchServer,
  type Figure,
  figure,
  median,
  percentile,
  type Size,
} from './harness.ts';

const SIZES: Readonly<Record<Size, readonly HistorySize[]>> = {
  quick: [
    { versions: 20_000, keys: 2_000 },
    { versions: 20_000, keys: 2_000, ranges: 8 },
  ],
  usual: [
    { versions: 1_000_000, keys: 1_000_000 },
    { versions: 10_000_000, keys: 1_000_000 },
    { versions: 2_000_000, keys: 1_000_000, ranges: 8 },
  ],
  full: [
    { versions: 10_000_000, keys: 1_000_000 },
    { versions: 50_000_000, keys: 1_000_000 },
    { versions: 50_000_000, keys: 1_000_000, ranges: 8 },
  ],
};
const ROUNDS = 5;

export const asof: Benchmark = {
  name: 'asof',
  title: 'As-of by key, against a primary-key SELECT on the same server',
  run: async (size, log) => {
    const figures: Figure[] = [];
    const answers: number[] = [];
    for (const history of SIZES[size]) {
      const label = `${history.versions / 1_000_000} M versions${history.ranges === undefined ? '' : ` in ${history.ranges} ranges`}`;
      log(`generating ${label}`);
      await using server = await benchServer();
      const store = await generateHistory(server.storeUrl, history);
      try {
        log(`asking ${label}`);
        const measured = await ask(store, history, size === 'quick' ? 200 : 2_000);
        if (history.ranges === undefined) answers.push(measured.answer);
        figures.push(...measured.figures.map((entry) => ({ ...entry, what: `${label}: ${entry.what}` })));
      } finally {
        await store.end();
      }
    }
    if (answers.length > 1) {
      figures.push(
        figure('full answer, largest ÷ smallest history', [answers.at(-1)! / answers[0]!], '×', {
          target: '≤ 1.5',
        }),
      );
    }
    return figures;
  },
};

export const diffPages: Benchmark = {
  name: 'diff',
  title: 'First page of the diff of a key with few and many versions',
  run: async (size, log) => {
    await using server = await benchServer();
    const store = await generateHistory(server.storeUrl, { versions: 1_000, keys: 1_000 });
    try {
      const figures: Figure[] = [];
      const lengths = size === 'quick' ? [10, 1_000] : [10, 1_000, 100_000];
      for (const [index, versions] of lengths.entries()) {
        log(`${versions} versions`);
        await addVersions(store, index + 1, versions);
      }
      await store.query('VACUUM (ANALYZE)');
      const request = (key: number) => ({
        node: HISTORY_NODE,
        table: HISTORY_TABLE,
        pk: keyFromText(String(key)),
        from: NOW,
        to: NOW,
        limit: 10,
      });
      const times = lengths.map(() => [] as number[]);
      for (let round = 0; round < (size === 'quick' ? 5 : 50); round++) {
        for (const [index] of lengths.entries()) {
          const start = performance.now();
          await diff(store, request(index + 1));
          times[index]!.push(performance.now() - start);
        }
      }
      lengths.forEach((versions, index) => {
        figures.push(
          figure(`first page of ${versions} versions`, [median(times[index]!)], 'ms', { digits: 3 }),
        );
      });
      const flat = median(times.at(-1)!) / median(times[1]!);
      figures.push(figure(`${lengths.at(-1)} ÷ 1000 versions`, [flat], '×', { target: '≤ 1.5' }));
      return figures;
    } finally {
      await store.end();
    }
  },
};

interface Asked {
  readonly answer: number;
  readonly figures: Figure[];
}

/** Three kinds of question in turns, so that a slow moment of the machine meets all of them. */
async function ask(store: pg.Client, history: HistorySize, questions: number): Promise<Asked> {
  const select: number[] = [];
  const bare: number[] = [];
  const answer: number[] = [];
  const tails: number[] = [];
  const { rows } = await store.query<{ relation_id: number }>(
    'SELECT relation_id FROM pgtimewarp.tracked_relations',
  );
  const relationId = rows[0]!.relation_id;
  for (let round = 0; round < ROUNDS; round++) {
    select.push(
      median(
        await repeat(
          questions,
          (key) =>
            store.query({
              name: 'bench_select',
              text: 'SELECT aid, bid, abalance, filler FROM public.accounts_now WHERE aid = $1::int',
              values: [key],
            }),
          history.keys,
        ),
      ),
    );
    bare.push(
      median(
        await repeat(
          questions,
          (key) =>
            store.query({
              name: 'bench_bare',
              text: `SELECT op, row_data, valid_from_lsn FROM pgtimewarp.row_changes
                WHERE relation_id = $1::int AND pk = $2::text AND valid_from_lsn <= $3::pg_lsn
                ORDER BY valid_from_lsn DESC, seq DESC LIMIT 1`,
              values: [relationId, `["${key}"]`, somewhere(history)],
            }),
          history.keys,
        ),
      ),
    );
    const full = await repeat(
      questions,
      (key) =>
        asOf(store, {
          node: HISTORY_NODE,
          table: HISTORY_TABLE,
          pk: keyFromText(String(key)),
          at: parseInstant(somewhere(history)),
        }),
      history.keys,
    );
    answer.push(median(full));
    tails.push(percentile(full, 0.99));
  }
  const ratio = (values: readonly number[]): number[] => values.map((value, index) => value / select[index]!);
  return {
    answer: median(answer),
    figures: [
      figure('primary-key SELECT, p50', select, 'ms', { digits: 3 }),
      figure('bare as-of lookup, p50', bare, 'ms', { digits: 3 }),
      figure('bare as-of lookup ÷ SELECT', ratio(bare), '×', {
        target: history.ranges === undefined ? '≤ 1.2' : '≤ 2',
      }),
      figure('full answer, p50', answer, 'ms', { digits: 3 }),
      figure('full answer, p99', tails, 'ms', { digits: 3 }),
      figure('full answer ÷ SELECT', ratio(answer), '×', { target: '≤ 4' }),
    ],
  };
}

async function repeat(
  count: number,
  question: (key: number) => Promise<unknown>,
  keys: number,
): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const key = drawKey(keys);
    const start = performance.now();
    await question(key);
    times.push(performance.now() - start);
  }
  return times;
}

async function addVersions(store: pg.Client, key: number, versions: number): Promise<void> {
  await store.query(
    `INSERT INTO pgtimewarp.row_changes (valid_from_lsn, valid_from_ts, xid, relation_id, seq, op, pk, row_data)
     SELECT c.valid_from_lsn + 1, c.valid_from_ts, c.xid, c.relation_id, i::int, 'U', c.pk, c.row_data
       FROM pgtimewarp.row_changes AS c, generate_series(2, $2::int) AS i WHERE c.pk = '["' || $1::text || '"]'`,
    [String(key), versions],
  );
}
