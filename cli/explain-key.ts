/** A key with a `=` in it: `a=b` is read as column and value. When there is no such column, it may be meant as the value. */
import { TimewarpError } from '../core/errors/timewarp-error.ts';

/** Runs a question; BAD_KEY comes back with how to write the value, where that may be what was meant. */
export async function explainingKey<T>(options: readonly string[], question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    const [only] = options;
    const isMeantAsValue = options.length === 1 && only!.includes('=') && !only!.startsWith('{');
    if (!(error instanceof TimewarpError) || error.code !== 'BAD_KEY' || !isMeantAsValue) throw error;
    const column = /once: ([^,]+)\.$/.exec(error.remedy)?.[1];
    if (column === undefined || only!.startsWith(`${column}=`)) throw error;
    const remedy = `${error.remedy} If the value is ${only}: --pk '${column}=${only}'`;
    throw new TimewarpError(error.code, error.message, { facts: error.facts, remedy, cause: error });
  }
}
