/** Packs the package once for all tests of the container: packing builds dist/ anew. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { dockerAnswers } from '../support/docker-server.ts';
import { runTool } from '../support/run-tool.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of the packed package; empty if there is no Docker daemon. */
    tarball: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-packed-'));
  let name = '';
  if (await dockerAnswers()) {
    const args = ['pack', '--silent', '--pack-destination', folder];
    const { code, stdout, stderr } = await runTool('npm', args, { cwd: '.', timeoutMs: 300_000 });
    if (code !== 0) throw new Error(`npm pack: ${stderr}`);
    name = join(folder, stdout.trim().split('\n').at(-1)!);
  }
  project.provide('tarball', name);
  return () => rm(folder, { recursive: true, force: true });
}
