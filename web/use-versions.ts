/** The versions of a row for a view: loaded as far as it looks, and refreshed when the horizon moves. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Refused } from './client.ts';
import { refusal } from './use-answer.ts';
import { type Loaded, NOTHING, Versions } from './versions.ts';

export interface VersionsAsked extends Loaded {
  readonly isLoading: boolean;
  readonly problem: Refused | null;
  /** Loads older versions; while it does, calls do nothing. */
  readonly older: () => void;
}

/** @param horizon of the node: when it is another one, newer versions are asked for */
export function useVersions(
  row: { readonly node: string; readonly table: string; readonly pk: string },
  horizon: string | undefined,
): VersionsAsked {
  const { node, table, pk } = row;
  const [asked, setAsked] = useState<Omit<VersionsAsked, 'older'>>({
    ...NOTHING,
    isLoading: true,
    problem: null,
  });
  const versions = useRef<{ readonly of: Versions; readonly gone: AbortSignal } | null>(null);
  const work = useRef<Promise<void>>(Promise.resolve());
  const isOlderAsked = useRef(false);
  /** One question after the other: each continues where the one before has ended. */
  const then = (step: (of: Versions) => Promise<void>): Promise<void> => {
    const current = versions.current;
    if (current === null) return work.current;
    setAsked((before) => ({ ...before, isLoading: true }));
    const run = async (): Promise<void> => {
      let problem: Refused | null = null;
      try {
        await step(current.of);
      } catch (error) {
        problem = refusal(error);
      }
      if (!current.gone.aborted) setAsked({ ...current.of.loaded, isLoading: false, problem });
    };
    work.current = work.current.then(run);
    return work.current;
  };
  const seen = useRef<string | undefined>(undefined);
  useEffect(() => {
    const gone = new AbortController();
    versions.current = { of: new Versions({ node, table, pk }, gone.signal), gone: gone.signal };
    work.current = Promise.resolve();
    seen.current = horizon;
    void then((of) => of.first());
    return () => gone.abort();
  }, [node, table, pk]);
  useEffect(() => {
    if (horizon === seen.current) return;
    seen.current = horizon;
    void then((of) => of.newer());
  }, [horizon]);
  const older = (): void => {
    if (isOlderAsked.current || asked.isWhole) return;
    isOlderAsked.current = true;
    void then((of) => of.older()).then(() => {
      isOlderAsked.current = false;
    });
  };
  return { ...asked, older };
}
