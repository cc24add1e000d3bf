/**
 * Collects the events of one transaction and turns them into changes in their stored form. Pure. An update of the key becomes a
 * deletion and an insertion. `seq` numbers the changes of one transaction in their order.
 */
import { isJson, quoteJson } from '../types/json-text.ts';
import { END_PREFIX } from '../types/plugin.ts';
import type { PendingChange, PendingContext, PendingTruncate, TransactionPart } from '../types/stored.ts';
import type { DecodedTable, PartialRow, RowChange, StreamEvent } from '../types/stream.ts';
import { DecodedChange } from './decoded-change.ts';

/** The memory of a change apart from its texts, for objects and pointers. An estimate, to limit memory. */
const OVERHEAD_BYTES = 200;

/** A context that still holds for further changes. */
interface ContextUnderWay {
  readonly seq: number;
  /** The text of the message. */
  text: string;
  /** While this is the only context of the transaction: the set of all its relations (the same object). */
  relationIds: Set<number>;
}

/** Shared by all transactions without a context. */
const NO_CONTEXTS: readonly PendingContext[] = [];

/** Collects the events between two commits. */
export class TransactionAssembler {
  #changes: PendingChange[] = [];
  #truncates: PendingTruncate[] = [];
  #contexts = NO_CONTEXTS;
  #context: ContextUnderWay | null = null;
  #relationIds = new Set<number>();
  #keyMismatches = new Map<number, string>();
  #bytes = 0;
  #seq = 0;

  /** Estimated memory of the collected events. */
  get bytes(): number {
    return this.#bytes;
  }

  get changeCount(): number {
    return this.#changes.length;
  }

  /** The relations that the transaction has changed so far. */
  get relationIds(): ReadonlySet<number> {
    return this.#relationIds;
  }

  /** Takes every event but `commit`, which the caller handles. */
  add(event: Exclude<StreamEvent, { kind: 'commit' }>): void {
    switch (event.kind) {
      case 'change':
        this.#addChange(event);
        break;
      case 'truncate':
        for (const table of event.tables) {
          this.#touch(table);
          this.#truncates.push({ relationId: table.relationId, leafId: table.leafId, seq: this.#seq++ });
        }
        break;
      case 'message':
        if (event.prefix !== END_PREFIX) this.#say(event.content);
        break;
      case 'key-mismatch':
        this.#keyMismatches.set(event.table.relationId, event.detail);
        break;
      case 'begin':
        break;
    }
  }

  /** Returns the changes since the last call. `seq`, relations and the current context continue until `endTransaction`. */
  takePart(): TransactionPart {
    const part: TransactionPart = {
      changes: this.#changes,
      truncates: this.#truncates,
      contexts: this.#contexts,
      keyMismatches: this.#keyMismatches,
      bytes: this.#bytes,
    };
    this.#changes = [];
    this.#truncates = [];
    this.#contexts = NO_CONTEXTS;
    this.#bytes = 0;
    return part;
  }

  /** Returns the rest and starts a new transaction. */
  endTransaction(): TransactionPart {
    this.#endContext(true);
    const part = this.takePart();
    this.#context = null;
    this.#relationIds = new Set();
    if (this.#keyMismatches.size > 0) this.#keyMismatches = new Map();
    this.#seq = 0;
    return part;
  }

  /**
   * The following changes get this context. The first context of a transaction also holds for the changes before it. Packages that send
   * messages in a row trigger repeat the same text, which changes nothing.
   */
  #say(content: string): void {
    if (content === this.#context?.text) return;
    if (this.#context === null) {
      this.#context = { seq: 0, text: content, relationIds: this.#relationIds };
    } else {
      this.#endContext();
      this.#context = { seq: this.#seq, text: content, relationIds: new Set() };
    }
    this.#bytes += content.length;
  }

  /** Drops a context that no change has. @param isLast the transaction ends here and makes no further changes */
  #endContext(isLast = false): void {
    const context = this.#context;
    if (context === null || context.relationIds.size === 0) return;
    context.text = contextText(context.text);
    if (!isLast && context.relationIds === this.#relationIds)
      context.relationIds = new Set(this.#relationIds);
    if (this.#contexts === NO_CONTEXTS) this.#contexts = [context];
    else (this.#contexts as PendingContext[]).push(context);
  }

  #touch({ relationId }: DecodedTable): void {
    this.#relationIds.add(relationId);
    if (this.#context !== null) this.#context.relationIds.add(relationId);
  }

  #addChange(change: RowChange): void {
    const { table, texts, oldTexts } = change;
    this.#touch(table);
    if (oldTexts !== null) this.#push(new DecodedChange(table, this.#seq++, 'D', oldTexts, null, oldTexts));
    const op = oldTexts === null ? change.op : 'I';
    this.#push(new DecodedChange(table, this.#seq++, op, texts, change, oldTexts ?? texts));
  }

  #push(change: DecodedChange): void {
    this.#changes.push(change);
    this.#bytes += OVERHEAD_BYTES + change.byteCount + partialBytes(change.partial);
  }
}

function partialBytes(partial: PartialRow | null): number {
  if (partial === null) return 0;
  let bytes = 0;
  for (const fragment of partial.fragments) bytes += fragment?.length ?? 0;
  return bytes;
}

/** The context as JSON. Text that is not JSON becomes a string, so that no message can stop a run. */
function contextText(content: string): string {
  return isJson(content) ? content : quoteJson(content);
}
