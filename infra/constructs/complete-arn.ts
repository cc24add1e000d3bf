/** The complete ARN of a secret: a right to read a secret names it with the six characters at its end. */
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';

/** Throws an Error for a secret that is known by name or by a part of its ARN. */
export function completeArn(secret: ISecret): string {
  if (secret.secretFullArn !== undefined) return secret.secretFullArn;
  throw new Error(
    `The secret ${secret.secretName} must be named by its complete ARN (Secret.fromSecretCompleteArn), with the six characters at its end.`,
  );
}
