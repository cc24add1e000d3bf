#!/usr/bin/env node
/**
 * The entry point. It bounds the heap before it loads the rest, because the garbage of loading would let the heap grow. Node keeps
 * the compiled code in the user's cache folder, so that the next start need not compile it.
 */
import { enableCompileCache } from 'node:module';
import { boundHeap } from '../core/run/heap.ts';
import { cacheFolder } from './cache-folder.ts';

boundHeap();
enableCompileCache(process.env.NODE_COMPILE_CACHE ?? cacheFolder('code'));
await import('./command-line.ts');
