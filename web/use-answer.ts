/** The answer to a question of a view: asked again when the question changes, and given up when the view goes. */
import { useEffect, useState } from 'preact/hooks';
import { ask, type Parameters, Refused } from './client.ts';

/** A question that is repeated rests for so many times as long as its answer took. */
const TIMES = 10;

export interface Asked<T> {
  readonly answer: T | null;
  readonly problem: Refused | null;
  readonly isLoading: boolean;
}

/**
 * The former answer stays while the next one is on its way.
 * @param path null: nothing to ask yet
 * @param repeat `everyMs`: how often; `again`: once more when this number is another
 */
export function useAnswer<T>(
  path: string | null,
  parameters: Parameters = {},
  { everyMs = 0, again = 0 }: { readonly everyMs?: number; readonly again?: number } = {},
): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({ answer: null, problem: null, isLoading: true });
  const question = path === null ? null : JSON.stringify([path, parameters]);
  useEffect(() => {
    if (question === null) return;
    const [target, given] = JSON.parse(question) as [string, Parameters];
    const gone = new AbortController();
    let hasAnswer = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    setAsked((before) => ({ ...before, isLoading: true }));
    const once = async (): Promise<void> => {
      const start = performance.now();
      try {
        const answer = await ask<T>(target, given, gone.signal);
        if (gone.signal.aborted) return;
        hasAnswer = true;
        setAsked({ answer, problem: null, isLoading: false });
      } catch (error) {
        if (gone.signal.aborted) return;
        // a question that is repeated has its answer until there is another one
        setAsked(({ answer }) => ({
          answer: everyMs > 0 && hasAnswer ? answer : null,
          ...{ problem: refusal(error), isLoading: false },
        }));
      }
      // what takes long is asked less often
      const pauseMs = Math.max(everyMs, TIMES * (performance.now() - start));
      if (everyMs > 0 && !gone.signal.aborted) timer = setTimeout(() => void once(), pauseMs);
    };
    void once();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [question, everyMs, again]);
  return question === null ? { ...asked, isLoading: false } : asked;
}

/** What a view says about a question that failed. */
export function refusal(error: unknown): Refused {
  return error instanceof Refused ? error : new Refused(0, { detail: String(error) });
}
