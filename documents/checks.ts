/** The results of checks: of one node (`doctor`), of all nodes by the store alone (health), and the report to the topic. */
import * as z from 'zod';
import type { Check as CheckOfCore, Diagnosis } from '../core/doctor/check.ts';
import type { StoreHealth } from '../core/doctor/store-health.ts';
import { NodeName, Text } from './values.ts';

export const Verdict = z.enum(['ok', 'warn', 'fail']);
export const Check = z.object({ code: Text, status: Verdict, message: Text, remedy: Text.nullable() });
const DiagnosisSchema = z.object({ status: Verdict, checks: z.array(Check) });
export const NodeHealth = z.object({ node: NodeName, ...DiagnosisSchema.shape });
export const Health = z.object({ status: Verdict, nodes: z.array(NodeHealth) });

export type CheckDocument = Readonly<z.input<typeof Check>>;
export type DiagnosisDocument = Readonly<z.input<typeof DiagnosisSchema>>;
export type NodeHealthDocument = Readonly<z.input<typeof NodeHealth>>;
export type HealthDocument = Readonly<z.input<typeof Health>>;

/** The report to the topic. It has only the number of the checks that pass. */
export interface ReportDocument {
  readonly nodes: readonly (NodeHealthDocument & { readonly passed: number })[];
}

export function checkDocument({ code, status, message, remedy }: CheckOfCore): CheckDocument {
  return { code, status, message, remedy };
}

/** All checks of one node. */
export function diagnosisDocument({ status, checks }: Diagnosis): DiagnosisDocument {
  return { status, checks: checks.map(checkDocument) };
}

export function nodeHealthDocument(node: string, diagnosis: Diagnosis): NodeHealthDocument {
  return { node, ...diagnosisDocument(diagnosis) };
}

export function healthDocument({ status, nodes }: StoreHealth): HealthDocument {
  return { status, nodes: nodes.map((each) => nodeHealthDocument(each.node, each)) };
}

export function reportDocument(nodes: readonly (Diagnosis & { readonly node: string })[]): ReportDocument {
  return {
    nodes: nodes.map(({ node, status, checks }) => {
      const wrong = checks.filter((check) => check.status !== 'ok');
      return { node, status, passed: checks.length - wrong.length, checks: wrong.map(checkDocument) };
    }),
  };
}
