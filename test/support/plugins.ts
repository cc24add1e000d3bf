/** The output plugins that this run can test. */
import type { Plugin } from '../../core/types/plugin.ts';
import { type Need, wal2json } from './needs.ts';

/** Both plugins; tests of the stream run once for each. */
export const PLUGINS: readonly Plugin[] = ['wal2json', 'pgoutput'];

/** The need of a test with this plugin. */
export function needOf(plugin: Plugin): Need {
  return plugin === 'wal2json' ? wal2json() : { what: 'pgoutput', met: true, remedy: '' };
}
