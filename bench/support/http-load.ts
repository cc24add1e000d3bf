/** A limited load over HTTP: a number of connections, each of which sends its next request when it has its answer. */
import { Agent, get } from 'node:http';

export interface LoadOptions {
  /** Of one request. */
  readonly url: () => string;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly perSecond: number;
  /** The time of each answer. */
  readonly timesMs: readonly number[];
}

/** Fails unless every answer has the status 200. */
export async function httpLoad({ url, connections, seconds }: LoadOptions): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const timesMs: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const asked = performance.now();
      await ask(url(), agent);
      timesMs.push(performance.now() - asked);
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, client));
    return { perSecond: (timesMs.length / (performance.now() - start)) * 1000, timesMs };
  } finally {
    agent.destroy();
  }
}

function ask(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`${url}: ${response.statusCode} ${body}`));
      });
      response.on('error', reject);
    }).on('error', reject);
  });
}
