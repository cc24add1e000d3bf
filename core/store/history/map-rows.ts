/** Collects entries of the LSN-to-time map for the store, one per commit, and encodes each one at once. */
import { postgresMicros } from '../../types/commit-time.ts';
import type { CommitStamp } from './commit-stamp.ts';
import { CopyEncoder } from './copy.ts';

/** The columns in the order in which {@link MapRows} encodes them. */
export const MAP_TARGET = 'pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts, commit_ts, xid)';
const COLUMN_COUNT = 6;

export class MapRows {
  readonly #encoder = new CopyEncoder();
  /** The fields that every entry of the node begins with. */
  readonly #node: Buffer;
  #count = 0;

  constructor({ nodeId, lsnSpace }: { readonly nodeId: string; readonly lsnSpace: number }) {
    const encoder = new CopyEncoder();
    encoder.row(COLUMN_COUNT);
    encoder.text(nodeId);
    encoder.int4(lsnSpace);
    this.#node = Buffer.concat(encoder.take(true));
  }

  get count(): number {
    return this.#count;
  }

  add(stamp: CommitStamp): void {
    const encoder = this.#encoder;
    encoder.encoded(this.#node, 0, this.#node.length);
    encoder.int8(stamp.lsn);
    encoder.int8(postgresMicros(stamp.time));
    encoder.int8(postgresMicros(stamp.commitTimestamp));
    encoder.int8(BigInt(stamp.xid));
    this.#count += 1;
  }

  /** The entries for COPY into {@link MAP_TARGET}. */
  chunks(): Buffer[] {
    return this.#encoder.take(true);
  }
}
