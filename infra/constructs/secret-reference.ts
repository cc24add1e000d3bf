/**
 * Makes the reference by which functions find a secret: its ARN and, after a `#`, the place of the database. A secret that RDS manages
 * has only user and password. lambda/shared/credentials.ts parses the reference.
 */
import { Token } from 'aws-cdk-lib';

export interface DatabasePlace {
  readonly host?: string | undefined;
  /** A text when the number is known at the deployment only. */
  readonly port?: number | string | undefined;
  readonly dbname?: string | undefined;
}

export function secretReference(arn: string, place: DatabasePlace | null): string {
  const said = Object.entries(place ?? {}).filter(([, value]) => value !== undefined);
  if (said.length === 0) return arn;
  return `${arn}#${said.map(([name, value]) => `${name}=${encoded(String(value))}`).join('&')}`;
}

/** CloudFormation fills in a host or a port: neither needs an encoding. */
function encoded(value: string): string {
  return Token.isUnresolved(value) ? value : new URLSearchParams({ '': value }).toString().slice(1);
}
