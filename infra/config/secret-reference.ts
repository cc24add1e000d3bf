/**
 * How functions are told of a secret: by its ARN and, behind a `#`, what the configuration says of the database itself. A secret that
 * RDS manages has only user and password. lambda/shared/credentials.ts takes it apart.
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
