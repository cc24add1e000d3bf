/**
 * Bundles what the package contains: the command line and the library into one set of files that share code, each Lambda function
 * into a file of its own, or a few. Returns the packages whose code the bundles contain.
 */
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

/** Bundled modules that are not ES modules call require(). */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** The oldest Node that package.json promises. */
const TARGET = 'node22.12';

/** What an app of the CDK has itself. */
const PEERS = ['aws-cdk-lib', 'constructs'];

/** zod brings its messages in 50 languages; ours are in English. */
const ENGLISH_ONLY: Plugin = {
  name: 'english-only',
  setup: ({ onLoad }) => {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/** pg has a second client, for a library in C that we do not have. pg takes this error for what it is. */
const WITHOUT_NATIVE: Plugin = {
  name: 'without-native',
  setup: ({ onLoad }) => {
    onLoad({ filter: /[\\/]pg[\\/]lib[\\/]native[\\/]index\.js$/ }, () => ({
      contents:
        "throw Object.assign(new Error('This program has no pg-native.'), { code: 'MODULE_NOT_FOUND' });",
    }));
  },
};

/** esbuild bundles what `require` loads, and runs it at the call, if `require` is not a variable of the file. */
const LOADED_LATE: Plugin = {
  name: 'loaded-late',
  setup: ({ onLoad }) => {
    onLoad({ filter: /[\\/]cli[\\/]render[\\/]width\.ts$/ }, ({ path }) => {
      const [source, line] = [
        readFileSync(path, 'utf8'),
        'const require = createRequire(import.meta.url);\n',
      ];
      if (!source.includes(line)) throw new Error(`${path} has no line ${line}`);
      return { loader: 'ts', contents: source.replace(line, '') };
    });
  },
};

/** The bundles of the command line and of the library, by their names without extension below dist/. */
export async function bundleProgram(entryPoints: Readonly<Record<string, string>>): Promise<string[]> {
  const { metafile } = await build({
    entryPoints,
    outdir: 'dist',
    chunkNames: 'chunks/[name]-[hash]',
    splitting: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: TARGET,
    mainFields: ['module', 'main'],
    external: PEERS,
    banner: { js: REQUIRE },
    plugins: [ENGLISH_ONLY, WITHOUT_NATIVE, LOADED_LATE],
    metafile: true,
    logLevel: 'warning',
  });
  return bundledPackages(metafile);
}

/** Callers wait for the start of these functions: code that few requests need is in files of its own, in CHUNKS. */
const LOADED_IN_PARTS: readonly string[] = ['api'];
const CHUNKS = 'chunks';

/** The bundle of each Lambda function, FOLDER/NAME/index.mjs, for the Node of its runtime. */
export async function bundleFunctions(names: readonly string[], folder: string): Promise<string[]> {
  const whole = names.filter((name) => !LOADED_IN_PARTS.includes(name));
  const metafiles = [await bundleHandlers(whole, folder)];
  for (const name of names.filter((each) => !whole.includes(each)))
    metafiles.push(await bundleHandlers([name], folder, true));
  return [...new Set(metafiles.flatMap(bundledPackages))].toSorted();
}

async function bundleHandlers(names: readonly string[], folder: string, splits = false): Promise<Metafile> {
  const [first] = names;
  const { metafile, outputFiles } = await build({
    entryPoints: Object.fromEntries(names.map((name) => [`${name}/index`, `lambda/${name}/handler.ts`])),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    splitting: splits,
    chunkNames: `${first}/${CHUNKS}/[name]-[hash]`,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minify: true,
    keepNames: true, // errors and logs show names
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    plugins: [ENGLISH_ONLY, WITHOUT_NATIVE],
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  // the index last, so that the files that it loads are there
  for (const { path, contents } of outputFiles.toSorted((a, b) => rank(a.path) - rank(b.path)))
    writeWhole(path, contents);
  if (splits) removeOthers(join(folder, first!, CHUNKS), new Set(outputFiles.map(({ path }) => path)));
  return metafile;
}

function rank(path: string): number {
  return basename(path) === 'index.mjs' ? 1 : 0;
}

/** Chunks of former builds have other names. */
function removeOthers(folder: string, paths: ReadonlySet<string>): void {
  for (const path of globSync(join(folder, '*'))) if (!paths.has(resolve(path))) rmSync(path);
}

/** Nobody who reads the file meanwhile, such as a synth, sees a half of it. */
export function writeWhole(path: string, contents: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, contents);
  renameSync(unfinished, path);
}

/** The folders of the packages in node_modules/ of which code is in the outputs. */
export function bundledPackages({ outputs }: Metafile): string[] {
  const folders = Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
    .filter((folder) => folder !== undefined);
  return [...new Set(folders)].toSorted();
}

/** The entry points of the library: the targets of `exports` in package.json, with the source of each. */
export function libraryEntryPoints(): Record<string, string> {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    exports: Record<string, string | { default: string }>;
  };
  const targets = Object.values(exports).map((target) =>
    typeof target === 'string' ? target : target.default,
  );
  const names = targets
    .map((target) => /^\.\/dist\/(.+)\.js$/.exec(target)?.[1])
    .filter((name) => name !== undefined);
  return Object.fromEntries(names.map((name) => [name, `${name}.ts`]));
}
