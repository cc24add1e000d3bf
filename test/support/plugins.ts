/** The output plugins that this run can test. */
import type { Plugin } from '../../core/types/plugin.ts';
import { type Need, wal2json } from './needs.ts';

/** Both ways in; tests that speak of the stream run once for each. */
export const PLUGINS: readonly Plugin[] = ['wal2json', 'pgoutput'];

/** What a test with this plugin needs of the server. */
export function needOf(plugin: Plugin): Need {
  return plugin === 'wal2json' ? wal2json() : { what: 'pgoutput', met: true, remedy: '' };
}
