/**
 * The bucket of the archive, as a request reads it: what has not come shortly before the end of the invocation is an error, so that the
 * caller gets an answer with a reason.
 */
import type { Context } from 'aws-lambda';
import { ObjectStore } from '../../core/archive/object-store.ts';
import { archiveReader } from '../../core/archive/read-archived.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import type { ReadArchive } from '../../core/query/archived.ts';
import { beforeEnd } from '../shared/deadline.ts';

export type TimeLeft = Pick<Context, 'getRemainingTimeInMillis'>;

/** So short that a lost connection is replaced within the time of a request: the client tries three times. */
const SILENCE_MS = 4_000;
/** Lambda may have stopped the environment since, and the server or a gateway may have forgotten its connections. */
const STALE_MS = 5_000;

/** Reads from the bucket while there is time. */
export function openBucket(time: TimeLeft): ReadArchive {
  return archiveReader(() => new BoundedBucket(time));
}

class BoundedBucket extends ObjectStore {
  readonly #time: TimeLeft;
  #underWay = 0;
  #usedAtMs = 0;

  constructor(time: TimeLeft) {
    super(SILENCE_MS);
    this.#time = time;
  }

  override async getRange(...asked: Parameters<ObjectStore['getRange']>): Promise<Uint8Array> {
    if (this.#underWay === 0 && Date.now() - this.#usedAtMs > STALE_MS) this.client.destroy(); // nobody waits for its connections
    this.#underWay += 1;
    try {
      return await beforeEnd(this.#time, () => super.getRange(...asked));
    } catch (error) {
      if (!(error instanceof TimewarpError) || error.code !== 'DEADLINE') throw error;
      throw new TimewarpError(
        'ARCHIVE_UNREACHABLE',
        `The bucket did not give in time what the answer needs, such as ${asked[0]}.`,
        { cause: error },
      );
    } finally {
      this.#underWay -= 1;
      this.#usedAtMs = Date.now();
    }
  }
}
