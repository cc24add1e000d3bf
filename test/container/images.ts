/**
 * The images that deploy/Dockerfile and deploy/compose start from. Where no registry of images can be reached, stand-ins take their
 * place: a Debian by debootstrap, with the Node and the npm of this machine, or with Debian's PostgreSQL.
 */
import { cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { runTool } from '../support/run-tool.ts';
import { docker, dockerDoes } from './docker.ts';

const STAND_INS = 'test/container/stand-ins';
const DEBIAN = 'pgtimewarp-stand-in-debian';
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** An image with Node and npm. */
export function nodeImage(): Promise<string> {
  return imageOr('node:24-bookworm-slim', async () => {
    const npm = await realpath((await succeed('sh', ['-c', 'command -v npm'])).trim());
    const registry = (await succeed('npm', ['config', 'get', 'registry'])).trim();
    return standIn('node', { REGISTRY: registry }, [
      [process.execPath, 'node'],
      [dirname(dirname(npm)), 'npm'],
      [process.env.NODE_EXTRA_CA_CERTS ?? CERTIFICATES, 'certificates.pem'],
    ]);
  });
}

/** An image with a PostgreSQL server that takes the variables of the image `postgres`. */
export function postgresImage(): Promise<string> {
  return imageOr('postgres:17', () => standIn('postgres', {}, [[join(STAND_INS, 'start.sh'), 'start.sh']]));
}

async function imageOr(name: string, make: () => Promise<string>): Promise<string> {
  if ((await docker(['image', 'inspect', name])).code === 0) return name;
  if ((await docker(['pull', '--quiet', name])).code === 0) return name;
  return await make();
}

async function standIn(
  name: string,
  args: Readonly<Record<string, string>>,
  files: readonly (readonly [from: string, to: string])[],
): Promise<string> {
  await debian();
  await using context = await temporaryFolder();
  for (const [from, to] of files)
    await cp(await realpath(from), join(context.path, to), { recursive: true, dereference: true });
  const image = `pgtimewarp-stand-in-${name}`;
  const built = { BASE: DEBIAN, ...args };
  await dockerDoes([
    ...['build', '--quiet', '--file', join(STAND_INS, `${name}.Dockerfile`), '--tag', image],
    ...Object.entries(built).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
    context.path,
  ]);
  return image;
}

async function debian(): Promise<void> {
  if ((await docker(['image', 'inspect', DEBIAN])).code === 0) return;
  await using folder = await temporaryFolder();
  const root = join(folder.path, 'root');
  await succeed('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', root]);
  const archive = join(folder.path, 'root.tar');
  await succeed('tar', ['-C', root, '-cf', archive, '.']);
  await dockerDoes(['import', archive, DEBIAN]);
}

async function succeed(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runTool(program, args, { cwd: '.', timeoutMs: 600_000 });
  expect(code, `${program} ${args.join(' ')}\n${stderr}`).toBe(0);
  return stdout;
}

interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'pgtimewarp-image-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A folder with what the build of the image and Compose read of a checkout, and the packed package. */
export async function checkoutOfImage(): Promise<TemporaryFolder> {
  const folder = await temporaryFolder();
  await cp('deploy', join(folder.path, 'deploy'), { recursive: true });
  await cp('.dockerignore', join(folder.path, '.dockerignore'));
  await writeFile(join(folder.path, 'not-for-the-daemon'), 'x'.repeat(1_000_000));
  await succeed('npm', ['pack', '--silent', '--pack-destination', folder.path]);
  return folder;
}
