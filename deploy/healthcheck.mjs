/** Ends with 0 when `pgtimewarp serve` answers in this container, with 1 otherwise. */
const port = process.env.HEALTHCHECK_PORT ?? '8080';
const token = process.env.PGTIMEWARP_TOKEN;
const headers = token ? { authorization: `Bearer ${token}` } : {};
try {
  const { ok } = await fetch(`http://127.0.0.1:${port}/openapi.json`, {
    headers,
    signal: AbortSignal.timeout(4_000),
  });
  process.exitCode = ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
