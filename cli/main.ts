#!/usr/bin/env node
/** The entry point. It bounds the heap before it loads the rest, because the garbage of loading would let the heap grow. */
import { boundHeap } from '../core/run/heap.ts';

boundHeap();
await import('./command-line.ts');
