/** What a command would do: of `--dry-run`. */
import type { Plan } from '../core/plan.ts';

export interface PlanDocument {
  readonly node: string;
  readonly dry_run: true;
  /** Whole sentences. */
  readonly would: readonly string[];
  /** Nothing would be gone that is not gone already. */
  readonly loses_nothing: boolean;
}

export function planDocument({ node, would, losesNothing }: Plan): PlanDocument {
  return { node, dry_run: true, would, loses_nothing: losesNothing };
}
