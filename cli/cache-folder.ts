/**
 * The folder for what can be made or fetched again: compiled code, the PostgreSQL of the demo. It is the user's own. A folder that
 * everybody can write to would let others put code there.
 */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A folder below the user's cache folder (`XDG_CACHE_HOME`, or `~/.cache`). It need not exist. */
export function cacheFolder(name: string): string {
  const set = process.env.XDG_CACHE_HOME ?? '';
  return join(isAbsolute(set) ? set : join(homedir(), '.cache'), 'pgtimewarp', name);
}
