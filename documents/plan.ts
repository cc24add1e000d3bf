/** What a command would do, for `--dry-run`. */
import type { Plan } from '../core/plan.ts';

export interface PlanDocument {
  readonly node: string;
  readonly dry_run: true;
  /** Whole sentences. */
  readonly would: readonly string[];
  /** The size of the history or of the WAL that the sentences name. */
  readonly bytes?: number;
  /** Whether the command would lose no history. */
  readonly loses_nothing: boolean;
}

export function planDocument({ node, would, bytes, losesNothing }: Plan): PlanDocument {
  return {
    node,
    dry_run: true,
    would,
    ...(bytes === undefined ? {} : { bytes: Number(bytes) }),
    loses_nothing: losesNothing,
  };
}
