/**
 * Avro object container files (Apache Avro 1.12 specification, "Binary Encoding" and "Object Container Files"), as far as Iceberg's
 * manifests need them. A file is read by the schema in its header, so files of other writers can be read. Every long is a bigint: ids of
 * snapshots need all 64 bits.
 */
import { inflateRawSync } from 'node:zlib';
import { sha256 } from './write-parquet.ts';

export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly 'field-id'?: number;
  readonly default?: null;
}

export type AvroSchema =
  | string
  | readonly AvroSchema[]
  | { readonly type: 'record'; readonly name: string; readonly fields: readonly AvroField[] }
  | { readonly type: 'array'; readonly items: AvroSchema; readonly [attribute: string]: unknown }
  | { readonly type: 'map'; readonly values: AvroSchema; readonly [attribute: string]: unknown }
  | { readonly type: 'fixed'; readonly name: string; readonly size: number }
  | { readonly type: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly type: AvroSchema; readonly [attribute: string]: unknown };

export type AvroRecord = { readonly [field: string]: AvroValue };
export type AvroValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | AvroRecord;

const MAGIC = Buffer.from('Obj\x01', 'latin1');
const SYNC_BYTES = 16;
const METADATA: AvroSchema = { type: 'map', values: 'bytes' };

/** A file with one block. */
export function writeAvro(
  schema: AvroSchema,
  metadata: Readonly<Record<string, string>>,
  records: readonly AvroRecord[],
): Uint8Array {
  const texts = { ...metadata, 'avro.schema': JSON.stringify(schema), 'avro.codec': 'null' };
  const bytes = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]));
  const block: Buffer[] = [];
  for (const record of records) encode(block, schema, record);
  const data = Buffer.concat(block);
  // the same content has the same marker, so writing it again gives the same file
  const sync = Buffer.from(sha256(data), 'hex').subarray(0, SYNC_BYTES);
  const file: Buffer[] = [MAGIC];
  encode(file, METADATA, bytes);
  file.push(sync);
  if (records.length > 0) file.push(long(BigInt(records.length)), long(BigInt(data.length)), data, sync);
  return Buffer.concat(file);
}

/** The records of a file, and the schema that its writer used. */
export function readAvro(file: Uint8Array): { schema: AvroSchema; records: AvroRecord[] } {
  const reader = new Reader(file);
  if (!Buffer.from(reader.bytes(MAGIC.length)).equals(MAGIC)) throw new RangeError('not an Avro file');
  const metadata = reader.value(METADATA) as Record<string, Uint8Array>;
  const text = (name: string): string => Buffer.from(metadata[name] ?? []).toString();
  const schema = JSON.parse(text('avro.schema')) as AvroSchema;
  const codec = text('avro.codec') || 'null';
  reader.bytes(SYNC_BYTES);
  const records: AvroRecord[] = [];
  while (!reader.isAtEnd) {
    const count = reader.long();
    const data = reader.bytes(Number(reader.long()));
    reader.bytes(SYNC_BYTES);
    const block = new Reader(uncompressed(codec, data));
    for (let n = 0n; n < count; n++) records.push(block.value(schema) as AvroRecord);
  }
  return { schema, records };
}

function uncompressed(codec: string, data: Uint8Array): Uint8Array {
  if (codec === 'null') return data;
  if (codec === 'deflate') return inflateRawSync(data);
  throw new RangeError(`an Avro file is compressed with ${codec}`);
}

function encode(out: Buffer[], schema: AvroSchema, value: AvroValue): void {
  if (Array.isArray(schema)) {
    const branch = (schema as readonly AvroSchema[]).findIndex(
      (each) => (each === 'null') === (value === null),
    );
    out.push(long(BigInt(branch)));
    encode(out, (schema as readonly AvroSchema[])[branch]!, value);
    return;
  }
  const type = typeof schema === 'string' ? schema : (schema as { type: AvroSchema }).type;
  switch (type) {
    case 'null':
      return;
    case 'boolean':
      out.push(Buffer.from([value === true ? 1 : 0]));
      return;
    case 'int':
    case 'long':
      out.push(long(BigInt(value as number | bigint)));
      return;
    case 'string':
    case 'bytes': {
      const bytes = Buffer.from(value as string);
      out.push(long(BigInt(bytes.length)), bytes);
      return;
    }
    case 'record':
      for (const field of (schema as { fields: readonly AvroField[] }).fields)
        encode(out, field.type, (value as AvroRecord)[field.name] ?? null);
      return;
    case 'array':
    case 'map': {
      const { items, values } = schema as { items?: AvroSchema; values?: AvroSchema };
      const entries = type === 'array' ? (value as AvroValue[]) : Object.entries(value as AvroRecord);
      if (entries.length > 0) out.push(long(BigInt(entries.length)));
      for (const entry of entries) {
        if (type === 'map') encode(out, 'string', (entry as [string, AvroValue])[0]);
        encode(
          out,
          (items ?? values)!,
          type === 'map' ? (entry as [string, AvroValue])[1] : (entry as AvroValue),
        );
      }
      out.push(long(0n));
      return;
    }
    default:
      throw new RangeError(`cannot write the Avro type ${JSON.stringify(schema)}`);
  }
}

/** Zigzag, then seven bits a byte. */
function long(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

class Reader {
  readonly #buffer: Buffer;
  #at = 0;
  /** A named type may be used again by its name. */
  readonly #named = new Map<string, AvroSchema>();

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#buffer.length;
  }

  bytes(count: number): Uint8Array {
    if (this.#at + count > this.#buffer.length) throw new RangeError('an Avro file is cut');
    this.#at += count;
    return this.#buffer.subarray(this.#at - count, this.#at);
  }

  long(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const [byte] = this.bytes(1);
      value |= BigInt(byte! & 0x7f) << shift;
      if (byte! < 0x80) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
  }

  value(schema: AvroSchema): AvroValue {
    if (Array.isArray(schema)) return this.value((schema as readonly AvroSchema[])[Number(this.long())]!);
    const type = typeof schema === 'string' ? schema : (schema as { type: AvroSchema }).type;
    const named = (schema as { name?: string }).name;
    if (named !== undefined) this.#named.set(named, schema);
    switch (type) {
      case 'null':
        return null;
      case 'boolean':
        return this.bytes(1)[0] === 1;
      case 'int':
        return Number(this.long());
      case 'enum':
        return (schema as { symbols: readonly string[] }).symbols[Number(this.long())]!;
      case 'long':
        return this.long();
      case 'float':
        return Buffer.from(this.bytes(4)).readFloatLE();
      case 'double':
        return Buffer.from(this.bytes(8)).readDoubleLE();
      case 'bytes':
        return this.bytes(Number(this.long()));
      case 'string':
        return Buffer.from(this.bytes(Number(this.long()))).toString();
      case 'fixed':
        return this.bytes((schema as { size: number }).size);
      case 'record':
        return Object.fromEntries(
          (schema as { fields: readonly AvroField[] }).fields.map((field) => [
            field.name,
            this.value(field.type),
          ]),
        );
      case 'array':
        return this.#blocks(() => this.value((schema as { items: AvroSchema }).items));
      case 'map':
        return Object.fromEntries(
          this.#blocks((): [string, AvroValue] => [
            this.value('string') as string,
            this.value((schema as { values: AvroSchema }).values),
          ]),
        );
      default:
        return this.value(typeof type === 'string' ? this.#requireNamed(type) : type);
    }
  }

  #blocks<T>(read: () => T): T[] {
    const all: T[] = [];
    for (let count = this.long(); count !== 0n; count = this.long()) {
      if (count < 0n) {
        count = -count;
        this.long(); // the size of the block in bytes
      }
      for (let n = 0n; n < count; n++) all.push(read());
    }
    return all;
  }

  #requireNamed(name: string): AvroSchema {
    const schema = this.#named.get(name);
    if (schema === undefined) throw new RangeError(`an Avro file has the unknown type ${name}`);
    return schema;
  }
}
