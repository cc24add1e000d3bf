#!/usr/bin/env node
/**
 * The entry point. It bounds the heap before it loads the rest, because the garbage of loading would let the heap grow. Node keeps
 * the compiled code in the user's cache folder, so that the next start need not compile it. An older Node, such as Debian's, could not
 * even load the rest: it gets a sentence instead.
 */
import module from 'node:module';
import { boundHeap } from '../core/run/heap.ts';
import { cacheFolder } from './cache-folder.ts';

/** As in package.json. */
const OLDEST_NODE = [22, 12] as const;

const [major = 0, minor = 0] = process.versions.node.split('.').map((part) => Number.parseInt(part, 10));
if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) {
  boundHeap();
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE ?? cacheFolder('code'));
  await import('./command-line.ts');
} else {
  console.error(
    `error: pgtimewarp needs Node ${OLDEST_NODE.join('.')} or later; ${process.execPath} is ${process.versions.node}.`,
  );
  process.exitCode = 1;
}
