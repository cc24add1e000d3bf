/** Rows of the slot functions for decoders without a server, and their events with the texts as strings. */
import { parseLsn } from '../../core/types/lsn.ts';
import type { RowChange, StreamDecoder, StreamEvent, StreamRow } from '../../core/types/stream.ts';

/** A change with the texts that the decoder wrote. */
export type PlainChange = Omit<RowChange, 'texts' | 'oldTexts'> & {
  readonly key: string;
  readonly oldKey: string | null;
  readonly rowData: string | null;
};

export type PlainEvent = Exclude<StreamEvent, RowChange> | PlainChange;

/** The row between other bytes, as it is in the middle of a chunk. @param data text, or the text form of bytea */
function streamRow(lsn: string, xid: string, data: string): StreamRow {
  const own = data.startsWith('\\x') ? Buffer.from(data.slice(2), 'hex') : Buffer.from(data);
  const start = 3;
  const bytes = Buffer.concat([Buffer.from('"}]'), own, Buffer.from('"}],"x":"')]);
  return { lsn: parseLsn(lsn), xid, bytes, start, end: start + own.length };
}

/** Decodes a row and makes its texts strings. */
export function decodeRow(decoder: StreamDecoder, lsn: string, xid: string, data: string): PlainEvent | null {
  const event = decoder.decode(streamRow(lsn, xid, data));
  if (event?.kind !== 'change') return event;
  const { texts, oldTexts, ...rest } = event;
  return { ...rest, key: texts.key, oldKey: oldTexts?.key ?? null, rowData: texts.rowData };
}
