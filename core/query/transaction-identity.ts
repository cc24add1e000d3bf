/** What people name a transaction by: its commit LSN, or its number. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { formatLsn, tryParseLsn } from '../types/lsn.ts';
import { xidOf } from './transactions.ts';

/** Throws BAD_FLAGS. */
export function identityFilter(text: string): { readonly lsn: string } | { readonly xid: string } {
  const lsn = tryParseLsn(text);
  if (lsn !== null) return { lsn: formatLsn(lsn) };
  const xid = xidOf(text);
  if (xid !== null) return { xid };
  throw new TimewarpError('BAD_FLAGS', `Not a transaction: ${text.slice(0, 60)}`, {
    remedy:
      'Give a commit LSN such as 0/16B3748, or the number of a transaction: `pgtimewarp transactions` lists both.',
  });
}
