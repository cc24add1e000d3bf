/** The pages that follow a first answer, loaded one by one when somebody asks. They go when there is another first answer. */
import { useState } from 'preact/hooks';
import type { Refused } from './client.ts';
import { refusal } from './use-answer.ts';

interface Page {
  readonly next: string | null;
}

interface Loaded<T> {
  readonly of: T | null;
  readonly pages: readonly T[];
  readonly isLoading: boolean;
  readonly problem: Refused | null;
}

export interface More<T> extends Loaded<T> {
  /** The cursor of the page that follows; null: nothing follows. */
  readonly next: string | null;
  readonly load: () => void;
}

/** @param ask for the page at a cursor */
export function useMore<T extends Page>(first: T | null, ask: (cursor: string) => Promise<T>): More<T> {
  const nothing: Loaded<T> = { of: first, pages: [], isLoading: false, problem: null };
  const [state, setState] = useState(nothing);
  const loaded = state.of === first ? state : nothing;
  const next = (loaded.pages.at(-1) ?? first)?.next ?? null;
  const load = async (): Promise<void> => {
    if (next === null || loaded.isLoading) return;
    setState({ ...loaded, isLoading: true, problem: null });
    let then: Loaded<T>;
    try {
      then = { ...nothing, pages: [...loaded.pages, await ask(next)] };
    } catch (error) {
      then = { ...loaded, problem: refusal(error) };
    }
    setState((now) => (now.of === first ? then : now));
  };
  return { ...loaded, next, load: () => void load() };
}
