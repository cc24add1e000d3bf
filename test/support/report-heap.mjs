/** Loaded into a process under test (with --expose-gc): at SIGUSR2 it says on stderr what it really holds. */
process.on('SIGUSR2', () => {
  globalThis.gc();
  process.stderr.write(`heap: ${Math.round(process.memoryUsage().heapUsed / 1024)} KiB\n`);
});
