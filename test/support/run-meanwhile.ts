/** A change on the source during a run, at a point that the test chooses. */
import { expect } from 'vitest';
import { connect } from '../../core/pg/connection.ts';
import { pollWith } from '../../core/poll.ts';
import type { TrackedNode } from './tracked-node.ts';

/** A run during which `happens` is called, just before the run's first statement that contains this text. */
export async function runMeanwhile(
  node: Pick<TrackedNode, 'sourceUrl' | 'storeUrl' | 'node'>,
  text: string,
  happens: () => Promise<unknown>,
): Promise<void> {
  const source = await connect(node.sourceUrl, { side: 'source', node: node.node });
  const store = await connect(node.storeUrl, { side: 'store', node: node.node });
  let due = true;
  const query = source.query.bind(source) as (...args: unknown[]) => Promise<unknown>;
  const meddling = (statement: string | { text?: string }, ...rest: unknown[]): unknown => {
    const said = typeof statement === 'string' ? statement : (statement.text ?? '');
    if (!due || !said.includes(text)) return query(statement, ...rest);
    due = false;
    return happens().then(() => query(statement, ...rest));
  };
  source.query = meddling as typeof source.query;
  try {
    expect((await pollWith({ source, store }, { node: node.node })).outcome).toBe('done');
    expect(due).toBe(false);
  } finally {
    await source.end();
    await store.end();
  }
}
