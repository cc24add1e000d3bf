/** The message to the topic: text for mail to people, and the same as one JSON document for other subscribers. */
import { type Diagnosis, groupByRemedy } from '../../core/doctor/check.ts';
import { summary } from '../../core/doctor/record-diagnosis.ts';
import { reportDocument } from '../../documents/checks.ts';

export type NodeDiagnosis = Diagnosis & { readonly node: string };

export interface Report {
  readonly subject: string;
  /** For `MessageStructure: json`: one message for each kind of subscriber. */
  readonly message: string;
}

/** SNS refuses longer subjects. */
const SUBJECT_LENGTH = 100;

export function reportOf(nodes: readonly NodeDiagnosis[]): Report {
  const bad = nodes.filter(({ status }) => status !== 'ok');
  const worst = bad.some(({ status }) => status === 'fail') ? 'FAIL' : bad.length > 0 ? 'WARN' : 'OK';
  const concerned = (bad.length > 0 ? bad : nodes).map(({ node }) => node).join(', ');
  return {
    subject: `pgtimewarp ${worst}: ${concerned}`.slice(0, SUBJECT_LENGTH),
    message: JSON.stringify({
      default: JSON.stringify(reportDocument(nodes)),
      email: nodes.map(textOf).join('\n\n'),
      sms: `pgtimewarp ${worst}: ${concerned}`,
    }),
  };
}

function textOf({ node, checks }: NodeDiagnosis): string {
  const lines = groupByRemedy(checks).flatMap((group) => [
    ...group.checks.map(({ status, code, message }) => `${status.toUpperCase()} [${code}] ${message}`),
    `  ${group.remedy}`,
  ]);
  return [`Node ${node}`, ...lines, summary(checks)].join('\n');
}
