/** `--pk a=b` means column `a` with value `b`. If there is no column `a`, the user may have meant the value `a=b`. */
import { TimewarpError } from '../core/errors/timewarp-error.ts';

/** Runs a question. If it throws BAD_KEY and the user may have meant the value, the remedy shows how to write that. */
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
