/**
 * Iceberg's manifests and lists of manifests, format version 2 (Iceberg specification, "Manifests" and "Manifest Lists"). What another
 * writer added to a list is taken over by its field ids, so maintenance by Spark or Trino and our commits can take turns.
 */
import {
  type AvroField,
  type AvroRecord,
  type AvroSchema,
  type AvroValue,
  readAvro,
  writeAvro,
} from './avro.ts';
import { icebergSchema } from './columns.ts';
import type { ArchiveFile } from './units.ts';

const field = (id: number, name: string, type: AvroSchema): AvroField => ({ name, type, 'field-id': id });
const optional = (id: number, name: string, type: AvroSchema): AvroField => ({
  ...field(id, name, ['null', type]),
  default: null,
});

const boundsMap = (keyId: number, valueId: number): AvroSchema => ({
  type: 'array',
  logicalType: 'map',
  items: {
    type: 'record',
    name: `k${keyId}_v${valueId}`,
    fields: [field(keyId, 'key', 'int'), field(valueId, 'value', 'bytes')],
  },
});

const ENTRY: AvroSchema = {
  type: 'record',
  name: 'manifest_entry',
  fields: [
    field(0, 'status', 'int'),
    optional(1, 'snapshot_id', 'long'),
    optional(3, 'sequence_number', 'long'),
    optional(4, 'file_sequence_number', 'long'),
    field(2, 'data_file', {
      type: 'record',
      name: 'r2',
      fields: [
        field(134, 'content', 'int'),
        field(100, 'file_path', 'string'),
        field(101, 'file_format', 'string'),
        field(102, 'partition', { type: 'record', name: 'r102', fields: [] }),
        field(103, 'record_count', 'long'),
        field(104, 'file_size_in_bytes', 'long'),
        optional(125, 'lower_bounds', boundsMap(126, 127)),
        optional(128, 'upper_bounds', boundsMap(129, 130)),
      ],
    }),
  ],
};

const LIST_FIELDS: readonly AvroField[] = [
  field(500, 'manifest_path', 'string'),
  field(501, 'manifest_length', 'long'),
  field(502, 'partition_spec_id', 'int'),
  field(517, 'content', 'int'),
  field(515, 'sequence_number', 'long'),
  field(516, 'min_sequence_number', 'long'),
  field(503, 'added_snapshot_id', 'long'),
  field(504, 'added_files_count', 'int'),
  field(505, 'existing_files_count', 'int'),
  field(506, 'deleted_files_count', 'int'),
  field(512, 'added_rows_count', 'long'),
  field(513, 'existing_rows_count', 'long'),
  field(514, 'deleted_rows_count', 'long'),
  optional(507, 'partitions', {
    type: 'array',
    items: {
      type: 'record',
      name: 'r508',
      fields: [
        field(509, 'contains_null', 'boolean'),
        optional(518, 'contains_nan', 'boolean'),
        optional(510, 'lower_bound', 'bytes'),
        optional(511, 'upper_bound', 'bytes'),
      ],
    },
    'element-id': 508,
  }),
  optional(519, 'key_metadata', 'bytes'),
];

const LIST: AvroSchema = { type: 'record', name: 'manifest_file', fields: LIST_FIELDS };

const ADDED = 1;
const DELETED = 2;
const DATA = 0;

/** A manifest that adds the files in one snapshot. Its sequence number is inherited from the list. */
export function writeManifest(files: readonly ArchiveFile[], snapshotId: bigint): Uint8Array {
  const metadata = {
    schema: JSON.stringify(icebergSchema()),
    'schema-id': '0',
    'partition-spec': '[]',
    'partition-spec-id': '0',
    'format-version': '2',
    content: 'data',
  };
  const entries = files.map((file): AvroRecord => {
    const [lower, upper] = bounds(file);
    return {
      status: ADDED,
      snapshot_id: snapshotId,
      sequence_number: null,
      file_sequence_number: null,
      data_file: {
        content: DATA,
        file_path: file.path,
        file_format: 'PARQUET',
        partition: {},
        record_count: BigInt(file.rows),
        file_size_in_bytes: BigInt(file.bytes),
        lower_bounds: lower,
        upper_bounds: upper,
      },
    };
  });
  return writeAvro(ENTRY, metadata, entries);
}

/** Bounds by field id, each value in Iceberg's binary form (same specification, "Binary single-value serialization"). */
function bounds(file: ArchiveFile): [AvroValue, AvroValue] {
  const long = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  };
  const of = (pk: string, lsn: bigint, ts: bigint): AvroValue => [
    { key: 1, value: Buffer.from(pk) },
    { key: 2, value: long(lsn) },
    { key: 5, value: long(ts) },
  ];
  return [of(file.minPk, file.minLsn, file.minTs), of(file.maxPk, file.maxLsn, file.maxTs)];
}

/** An entry of a list, by field id. */
export type ListEntry = ReadonlyMap<number, AvroValue>;

export interface NewManifest {
  readonly path: string;
  readonly length: number;
  readonly snapshotId: bigint;
  readonly sequenceNumber: bigint;
  readonly files: readonly ArchiveFile[];
}

/** The entry of a manifest that {@link writeManifest} made. */
export function listEntry(manifest: NewManifest): ListEntry {
  return new Map<number, AvroValue>([
    [500, manifest.path],
    [501, BigInt(manifest.length)],
    [502, 0],
    [517, DATA],
    [515, manifest.sequenceNumber],
    [516, manifest.sequenceNumber],
    [503, manifest.snapshotId],
    [504, manifest.files.length],
    [505, 0],
    [506, 0],
    [512, manifest.files.reduce((sum, { rows }) => sum + BigInt(rows), 0n)],
    [513, 0n],
    [514, 0n],
  ]);
}

export function writeManifestList(
  entries: readonly ListEntry[],
  snapshot: { readonly id: bigint; readonly parentId: bigint | null; readonly sequenceNumber: bigint },
): Uint8Array {
  const metadata = {
    'snapshot-id': snapshot.id.toString(),
    'parent-snapshot-id': snapshot.parentId?.toString() ?? 'null',
    'sequence-number': snapshot.sequenceNumber.toString(),
    'format-version': '2',
  };
  const records = entries.map((entry) =>
    Object.fromEntries(LIST_FIELDS.map((each) => [each.name, entry.get(each['field-id']!) ?? null])),
  );
  return writeAvro(LIST, metadata, records);
}

export function readManifestList(file: Uint8Array): ListEntry[] {
  return byFieldId(file);
}

/** The path of a manifest in a list; null for one of deletions. */
export function manifestPath(entry: ListEntry): string | null {
  return entry.get(517) === DATA ? (entry.get(500) as string) : null;
}

/** The paths of the files that a manifest has in the table. */
export function readManifestPaths(file: Uint8Array): string[] {
  const { records } = readAvro(file);
  return records
    .filter(({ status }) => status !== DELETED)
    .map((record) => (record.data_file as AvroRecord).file_path as string);
}

function byFieldId(file: Uint8Array): ListEntry[] {
  const { schema, records } = readAvro(file);
  const { fields } = schema as { fields: readonly AvroField[] };
  return records.map((record) => new Map(fields.map((each) => [each['field-id'] ?? -1, record[each.name]!])));
}
