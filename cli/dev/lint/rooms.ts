/**
 * Which room may import which. A room is a folder, or a file that stands alone. It may import itself and the rooms that
 * its line names, and nothing else of the project. A line names only rooms of lines above it, so the list cannot contain a
 * circle of rooms. docs/architecture.md describes each room.
 */

const BASE = ['core/types', 'core/errors', 'core/pg'];
const SOURCE = ['core/source/catalog', 'core/source/slot', 'core/source/publication', 'core/source/rows'];
const STORE = [
  'core/store/health-events.ts',
  'core/store/node',
  'core/store/tables',
  'core/store/history',
  'core/store/schema',
  'core/store/overview.ts',
];
const PHASES = [
  'core/run/loss',
  'core/run/catalog',
  'core/run/rows',
  'core/run/leaves',
  'core/run/apply',
  'core/run/stream',
  'core/run/horizon',
];
const ENGINE = [
  ...[...BASE, 'core/query', 'core/restore', 'core/archive', ...SOURCE, ...STORE],
  ...['core/setup', 'core/retention', 'core/run', ...PHASES, 'core', 'core/doctor', 'core/status.ts'],
];
const FUNCTION = [...ENGINE, 'documents', 'lambda/shared'];

/** From the lowest room to the highest. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'core/errors': [],
  'core/types': ['core/errors'],
  'core/pg': ['core/types', 'core/errors'],
  'core/decode': ['core/types', 'core/errors'],
  'core/versions': ['core/types', 'core/errors'],

  'core/source/catalog': BASE,
  'core/source/slot': BASE,
  'core/source/publication': [...BASE, 'core/source/catalog'],
  'core/source/rows': [...BASE, 'core/source/catalog', 'core/source/slot'],

  'core/store/schema': BASE,
  'core/store/health-events.ts': BASE,
  'core/store/node': [...BASE, 'core/store/health-events.ts'],
  'core/store/tables': [...BASE, 'core/store/health-events.ts', 'core/store/node'],
  'core/store/history': [...BASE, 'core/store/health-events.ts', 'core/store/node'],
  'core/store/overview.ts': [...BASE, 'core/store/node', 'core/store/tables'],

  'core/query': BASE,
  'core/restore': [...BASE, 'core/query', 'core/source/catalog'],
  'core/setup': [...BASE, ...SOURCE, ...STORE],
  'core/retention': [...BASE, ...STORE, 'core/setup'],
  'core/archive': [...BASE, 'core/query', ...STORE, 'core/setup'],

  // a run: the code that its phases share, then the phases
  'core/run': [...BASE, 'core/versions', ...SOURCE, ...STORE],
  'core/run/loss': [...BASE, ...SOURCE, ...STORE, 'core/run'],
  'core/run/catalog': [...BASE, 'core/versions', ...SOURCE, ...STORE, 'core/setup', 'core/run'],
  'core/run/rows': [...BASE, 'core/versions', ...SOURCE, ...STORE, 'core/run', 'core/run/catalog'],
  'core/run/leaves': [...BASE, ...SOURCE, ...STORE, 'core/run', 'core/run/catalog', 'core/run/rows'],
  'core/run/apply': [
    ...[...BASE, 'core/versions', ...SOURCE, ...STORE],
    ...['core/run', 'core/run/loss', 'core/run/catalog', 'core/run/leaves'],
  ],
  'core/run/stream': [
    ...[...BASE, 'core/decode', 'core/versions', ...SOURCE, ...STORE],
    ...['core/run', 'core/run/loss', 'core/run/catalog', 'core/run/apply'],
  ],
  'core/run/horizon': [
    ...[...BASE, ...SOURCE, ...STORE],
    ...['core/run', 'core/run/catalog', 'core/run/rows', 'core/run/leaves'],
  ],

  // the actions of the engine, a file each
  core: [...BASE, ...SOURCE, ...STORE, 'core/setup', 'core/retention', 'core/run', ...PHASES],
  'core/doctor': [
    ...[...BASE, ...SOURCE, ...STORE, 'core/setup', 'core/retention'],
    ...['core/run/loss', 'core/run/catalog', 'core'],
  ],
  'core/status.ts': [...BASE, ...SOURCE, ...STORE, 'core/retention', 'core/doctor'],

  // documents and HTTP
  documents: ENGINE,
  http: [...ENGINE, 'documents'],

  // programs that use the engine
  'lambda/shared': [...BASE, 'core/store/node/fleet.ts'],
  'lambda/api': [...FUNCTION, 'http'],
  'lambda/archiver': FUNCTION,
  'lambda/doctor': FUNCTION,
  'lambda/maintenance': FUNCTION,
  'lambda/migrate': FUNCTION,
  'lambda/poller': FUNCTION,
  'cli/servers': BASE,
  cli: [...ENGINE, 'documents', 'http', 'cli/servers'],
  // the page runs in browsers and knows the API alone
  web: [],
  infra: ['core/pg/identifiers.ts', 'lambda/shared/metric-names.ts'],
};
