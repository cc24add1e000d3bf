/** Sends the answer to CloudFormation: a PUT to the URL of the event (AWS CloudFormation User Guide, "Custom resource response objects"). */
import type { CloudFormationCustomResourceEvent } from 'aws-lambda';

export interface Outcome {
  readonly status: 'SUCCESS' | 'FAILED';
  readonly physicalResourceId: string;
  readonly reason?: string;
}

const ATTEMPTS = 3;
/** CloudFormation shows about this many characters. */
const REASON_LENGTH = 1000;

/** Tries several times: without an answer a deployment waits for an hour. */
export async function respond(event: CloudFormationCustomResourceEvent, outcome: Outcome): Promise<void> {
  const body = JSON.stringify({
    Status: outcome.status,
    Reason: outcome.reason?.slice(0, REASON_LENGTH) ?? 'done',
    PhysicalResourceId: outcome.physicalResourceId,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
  });
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(event.ResponseURL, {
        method: 'PUT',
        body,
        headers: { 'content-type': '' },
      });
      if (response.ok) return;
      throw new Error(`CloudFormation's URL answered ${response.status}`);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
