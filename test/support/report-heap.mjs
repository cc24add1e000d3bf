/**
 * Loaded into a process under test (with --expose-gc): at SIGUSR2 it prints to stderr how much memory it uses after a
 * collection.
 */
process.on('SIGUSR2', () => {
  globalThis.gc();
  process.stderr.write(`heap: ${Math.round(process.memoryUsage().heapUsed / 1024)} KiB\n`);
});
