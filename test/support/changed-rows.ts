/** Changes the rows of a session's binary cursor on their way from the server: the data of each, which is its third and last field. */
import type pg from 'pg';
import { streamOf } from '../../core/pg/end-session.ts';

const DATA_ROW = 0x44; // D
/** Type and length of the message, number of fields, the first two fields, the length of the third. */
const DATA_AT = 5 + 2 + 12 + 8 + 4;

/** @param change gets the data as text, and returns it as it is to be */
export function changeRows(session: pg.Client, change: (data: string) => string): void {
  const stream = streamOf(session);
  const listeners = stream.listeners('data') as ((chunk: Buffer) => void)[];
  let rest = Buffer.alloc(0);
  stream.removeAllListeners('data');
  stream.on('data', (chunk: Buffer) => {
    const messages = messagesIn(Buffer.concat([rest, chunk]));
    rest = messages.rest;
    for (const message of messages.whole)
      for (const listener of listeners) listener.call(stream, changed(message, change));
  });
}

function messagesIn(bytes: Buffer<ArrayBuffer>): { whole: Buffer[]; rest: Buffer<ArrayBuffer> } {
  const whole: Buffer[] = [];
  let at = 0;
  while (at + 5 <= bytes.length) {
    const end = at + 1 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    whole.push(bytes.subarray(at, end));
    at = end;
  }
  return { whole, rest: bytes.subarray(at) };
}

function changed(message: Buffer, change: (data: string) => string): Buffer {
  if (message[0] !== DATA_ROW || message.length < DATA_AT || message.readInt16BE(5) !== 3) return message;
  const before = message.toString('latin1', DATA_AT);
  const after = change(before);
  if (after === before) return message;
  const result = Buffer.concat([message.subarray(0, DATA_AT), Buffer.from(after, 'latin1')]);
  result.writeInt32BE(result.length - 1, 1);
  result.writeInt32BE(result.length - DATA_AT, DATA_AT - 4);
  return result;
}
