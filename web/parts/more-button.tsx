/** Loads the next page of what a view shows, and says why that failed. */
import type { More } from '../use-more.ts';
import { Problem } from './parts.tsx';

export function MoreButton({
  more,
  label,
}: {
  readonly more: Pick<More<unknown>, 'problem' | 'next' | 'isLoading' | 'load'>;
  readonly label: string;
}) {
  return (
    <>
      <Problem problem={more.problem} />
      {more.next !== null && (
        <button type="button" aria-disabled={more.isLoading} onClick={more.load}>
          {label}
        </button>
      )}
    </>
  );
}
