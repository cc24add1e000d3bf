/** The failures of a run of schemathesis, read from its events (`--report ndjson`): every failure, not one of each kind. */
import type { Reason } from './reasons.ts';

export interface Finding {
  readonly check: string;
  readonly message: string;
  /** The method and the address of the request. */
  readonly request: string;
  readonly status: number | null;
  readonly body: string;
}

interface Recorder {
  readonly checks?: Record<
    string,
    {
      readonly name: string;
      readonly status: string;
      readonly failure_info?: { readonly failure: { readonly message: string } };
    }[]
  >;
  readonly interactions?: Record<
    string,
    {
      readonly request: { readonly method: string; readonly uri: string };
      readonly response?: {
        readonly status_code: number;
        readonly content?: { readonly $base64?: string } | null;
      };
    }
  >;
}

export interface Events {
  readonly requests: number;
  readonly findings: readonly Finding[];
  /** Errors of schemathesis itself. */
  readonly errors: readonly string[];
}

export function readEvents(lines: readonly string[]): Events {
  let requests = 0;
  const findings: Finding[] = [];
  const errors: string[] = [];
  for (const line of lines) {
    const event = JSON.parse(line) as {
      readonly ScenarioFinished?: { readonly recorder?: Recorder };
      readonly NonFatalError?: { readonly value: { readonly message: string }; readonly label: string };
      readonly FatalError?: unknown;
    };
    if (event.NonFatalError !== undefined) errors.push(JSON.stringify(event.NonFatalError).slice(0, 2000));
    if (event.FatalError !== undefined) errors.push(line.slice(0, 2000));
    const { checks = {}, interactions = {} } = event.ScenarioFinished?.recorder ?? {};
    requests += Object.keys(interactions).length;
    for (const [id, results] of Object.entries(checks)) {
      const { request, response } = interactions[id] ?? {};
      for (const { name, failure_info } of results.filter(({ status }) => status === 'failure')) {
        findings.push({
          check: name,
          message: failure_info?.failure.message ?? '',
          request: `${request?.method} ${request?.uri}`,
          status: response?.status_code ?? null,
          body: Buffer.from(response?.content?.$base64 ?? '', 'base64').toString(),
        });
      }
    }
  }
  return { requests, findings, errors };
}

export function isExplained({ check, body }: Finding, reasons: readonly Reason[]): boolean {
  let problem: { readonly type?: unknown; readonly detail?: unknown };
  try {
    problem = JSON.parse(body);
  } catch {
    return false;
  }
  return reasons.some(
    (reason) =>
      reason.check === check &&
      reason.type === problem.type &&
      typeof problem.detail === 'string' &&
      reason.detail.test(problem.detail),
  );
}
