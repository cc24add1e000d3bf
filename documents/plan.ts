/** What a command would do: of `--dry-run`. */
import type { Plan } from '../core/plan.ts';

export interface PlanDocument {
  readonly node: string;
  readonly dry_run: true;
  /** Whole sentences. */
  readonly would: readonly string[];
  /** What the sentences speak of: history that stays or goes, or WAL that the slot keeps. */
  readonly bytes?: number;
  /** Nothing would be gone that is not gone already. */
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
