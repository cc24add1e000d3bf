/** A session of the store that dies at one of its statements, as that of a killed run does. */
import type pg from 'pg';
import { connectForTest } from './test-client.ts';

/** When a session dies. */
export const MODES = ['before it is sent', 'while it runs', 'after it was carried out'] as const;

class Death extends Error {}

/** The error of the server if a split takes too long under its lock. */
const TOO_SLOW = 'DO $$ BEGIN RAISE query_canceled; END $$';

interface Mortal {
  readonly client: pg.Client;
  died(): boolean;
  /** Whether the split failed because of a large range, and the range was then validated. */
  validated(): boolean;
}

/**
 * A session that ends at its statement number `at`.
 * @param large every split takes too long until its range has been validated
 */
export async function mortalSession(
  url: string,
  {
    at,
    mode,
    large,
  }: { readonly at: number; readonly mode: (typeof MODES)[number]; readonly large: boolean },
): Promise<Mortal> {
  const client = await connectForTest(url);
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  let [count, dead, checked, validated] = [0, false, false, false];
  const die = (): never => {
    dead = true;
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    throw new Death();
  };
  const dying = async (...args: unknown[]): Promise<unknown> => {
    if (dead) throw new Death();
    const text = String(args[0]);
    if (text.includes('retention_validate(')) [checked, validated] = [true, true];
    else if (large && text.includes('retention_split(')) {
      if (!checked) args.splice(0, args.length, TOO_SLOW);
      checked = false;
    }
    if (++count !== at) return query(...args);
    if (mode === 'before it is sent') return die();
    const sent = query(...args);
    sent.catch(() => {});
    if (mode === 'after it was carried out') await sent.catch(() => {});
    else await new Promise((resolve) => setImmediate(resolve));
    return die();
  };
  client.query = dying as unknown as typeof client.query;
  return { client, died: () => dead, validated: () => validated };
}
