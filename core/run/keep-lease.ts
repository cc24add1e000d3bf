/** Renews the lease of a long run on a second session. */
import type pg from 'pg';
import { connectBeside } from '../pg/connection.ts';
import { type Claim, renewLease } from '../store/node/claim.ts';

const RENEW_LEASE_MS = 30_000;

/** Renews the lease of `claim` until it is disposed of. It opens the session at the first renewal. */
export function keepLease(store: pg.Client, claim: Claim): AsyncDisposable {
  let beside: Promise<pg.Client> | null = null;
  const timer = setInterval(() => {
    beside ??= connectBeside(store, { side: 'store', node: claim.nodeId });
    beside
      .then((session) => renewLease(session, claim))
      .catch(() => {
        beside = null; // the next renewal opens another session
      });
  }, RENEW_LEASE_MS).unref();
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await beside?.then((session) => session.end()).catch(() => {});
    },
  };
}
