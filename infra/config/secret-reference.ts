/**
 * Makes the reference by which functions find a secret: its ARN and, after a `#`, the place of the database from the configuration. A
 * secret that RDS manages has only user and password. lambda/shared/credentials.ts parses the reference.
 */
export interface DatabasePlace {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly dbname?: string | undefined;
}

export function secretReference(arn: string, place: DatabasePlace | null): string {
  const said = Object.entries(place ?? {}).filter(([, value]) => value !== undefined);
  if (said.length === 0) return arn;
  return `${arn}#${new URLSearchParams(said.map(([name, value]): [string, string] => [name, String(value)]))}`;
}
