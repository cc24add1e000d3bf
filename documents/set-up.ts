/** The results of `init`, `deinit` and `migrate`. */
import type { DeinitResult } from '../core/setup/deinit.ts';
import type { InitResult } from '../core/setup/init.ts';
import type { MigrateResult } from '../core/store/schema/migrate.ts';
import { type PointDocument, pointDocument } from './values.ts';

export interface InitDocument {
  readonly node: string;
  /** false: the node existed already. */
  readonly created: boolean;
  readonly plugin: string;
  readonly slot: string;
  readonly publication: string | null;
  readonly horizon: PointDocument | null;
}

export function initDocument({ node, publication, created }: InitResult): InitDocument {
  return {
    node: node.node,
    created,
    plugin: node.plugin,
    slot: node.slotName,
    publication,
    horizon: node.horizon && pointDocument(node.horizon),
  };
}

export interface DeinitDocument {
  readonly node: string;
  readonly removed: boolean;
  readonly slot_dropped: boolean;
  readonly publication_dropped: boolean;
  readonly purged: boolean;
  /** SQL to run on the source if it comes back; only if `deinit` did not connect to the source. */
  readonly left_on_source?: readonly string[];
}

/** @param leftOnSource null: `deinit` connected to the source */
export function deinitDocument(result: DeinitResult, leftOnSource: readonly string[] | null): DeinitDocument {
  return {
    node: result.node,
    removed: result.removed,
    slot_dropped: result.slotDropped,
    publication_dropped: result.publicationDropped,
    purged: result.purged,
    ...(leftOnSource === null ? {} : { left_on_source: leftOnSource }),
  };
}

export interface MigrateDocument {
  /** Version of the schema before; 0: the database did not have our schema. */
  readonly from: number;
  readonly to: number;
  readonly applied: readonly { readonly version: number; readonly name: string }[];
  /** Whether functions or views changed. */
  readonly functions: boolean;
}

export function migrateDocument({ from, to, applied, functions }: MigrateResult): MigrateDocument {
  return { from, to, applied: applied.map(({ version, name }) => ({ version, name })), functions };
}
