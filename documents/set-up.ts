/** What became of a node, or of the store's schema, that was set up or removed. */
import type { DeinitResult } from '../core/setup/deinit.ts';
import type { InitResult } from '../core/setup/init.ts';
import type { MigrateResult } from '../core/store/schema/migrate.ts';
import { type PointDocument, pointDocument } from './values.ts';

export interface InitDocument {
  readonly node: string;
  /** false: it was there already. */
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
  /** SQL to run on the source, should it come back; only where the source was not asked. */
  readonly left_on_source?: readonly string[];
}

/** @param leftOnSource null: the source was asked */
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
  /** Version before and after; 0 is a database without our schema. */
  readonly from: number;
  readonly to: number;
  readonly applied: readonly { readonly version: number; readonly name: string }[];
  /** Whether functions and views were others before. */
  readonly functions: boolean;
}

export function migrateDocument({ from, to, applied, functions }: MigrateResult): MigrateDocument {
  return { from, to, applied: applied.map(({ version, name }) => ({ version, name })), functions };
}
