/** Finds the boundaries of messages of the PostgreSQL protocol (PostgreSQL manual, "Message Formats"). Without TLS. */

/** One byte for the type, then a length that includes itself. */
const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;
const HEADER_BYTES = TYPE_BYTES + LENGTH_BYTES;
/** Of the message R; any other value is a request to the client. */
const AUTHENTICATED = 0;

const CALL_ENDS = new Set(['Q', 'S', 'c', 'X']); // Query, Sync, CopyDone, Terminate
const SENT_AT_ONCE = new Set(['d', 'H', 'f', 'p']); // CopyData, Flush, CopyFail, a password
const ANSWER_ENDS = new Set(['Z', 'G']); // ReadyForQuery, CopyInResponse

export interface Part {
  readonly bytes: Buffer;
  /** Whether the server must answer it: false for the rows of a COPY, and for a password. */
  readonly isCall: boolean;
}

/** Splits what a client sends into calls. */
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

  /** The next complete message; the first one of a connection has no type. */
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

/** Whether the server's messages since a call are its complete answer. */
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
