/** Where messages of the PostgreSQL protocol begin and end (PostgreSQL manual, "Message Formats"). Without TLS. */

/** A byte for the type, then a length of itself and what follows. */
const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;
const HEADER_BYTES = TYPE_BYTES + LENGTH_BYTES;
/** In the message R; anything else asks for something. */
const AUTHENTICATED = 0;

const CALL_ENDS = new Set(['Q', 'S', 'c', 'X']); // Query, Sync, CopyDone, Terminate
const SENT_AT_ONCE = new Set(['d', 'H', 'f', 'p']); // CopyData, Flush, CopyFail, a password
const ANSWER_ENDS = new Set(['Z', 'G']); // ReadyForQuery, CopyInResponse

export interface Part {
  readonly bytes: Buffer;
  /** Whether the server is to answer it: false for the rows of a COPY, a password. */
  readonly isCall: boolean;
}

/** Takes what a client sends apart into calls. */
export class CallReader {
  #rest = Buffer.alloc(0);
  #pending: Buffer[] = [];
  #isStarted = false;

  read(chunk: Buffer): Part[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const parts: Part[] = [];
    for (let message = this.#next(); message !== null; message = this.#next()) {
      this.#pending.push(message.bytes);
      const isCall = message.type === null || CALL_ENDS.has(message.type);
      if (!isCall && !SENT_AT_ONCE.has(message.type!)) continue;
      parts.push({ bytes: Buffer.concat(this.#pending.splice(0)), isCall });
    }
    return parts;
  }

  /** The next whole message; the first of a connection has no type. */
  #next(): { readonly type: string | null; readonly bytes: Buffer } | null {
    const before = this.#isStarted ? TYPE_BYTES : 0;
    if (this.#rest.length < before + LENGTH_BYTES) return null;
    const length = before + this.#rest.readInt32BE(before);
    if (this.#rest.length < length) return null;
    const type = this.#isStarted ? String.fromCharCode(this.#rest[0]!) : null;
    const bytes = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    this.#isStarted = true;
    return { type, bytes };
  }
}

/** Whether the messages of a server that have come since a call are the whole answer to it. */
export function isAnswered(answer: Buffer): boolean {
  for (let at = 0; at + TYPE_BYTES + LENGTH_BYTES <= answer.length; ) {
    const end = at + TYPE_BYTES + answer.readInt32BE(at + TYPE_BYTES);
    if (end > answer.length) return false;
    const type = String.fromCharCode(answer[at]!);
    if (ANSWER_ENDS.has(type) || (type === 'R' && answer.readInt32BE(at + HEADER_BYTES) !== AUTHENTICATED))
      return true;
    at = end;
  }
  return false;
}
