#!/usr/bin/env node
/** The entry point. The heap is bounded before the rest is loaded: the garbage of loading would let it grow. */
import { boundHeap } from '../core/run/heap.ts';

boundHeap();
await import('./command-line.ts');
