/** One observed database, as the functions and the custom resource name it. */
export interface ObservedTable {
  readonly name: string;
  readonly exclude: readonly string[];
  readonly retention: string | null;
  readonly baseline: boolean;
  readonly noNan: boolean;
  readonly shared: boolean;
}

export interface ObservedNode {
  readonly node: string;
  /** null: by the convention of the deployment. */
  readonly secretArn: string | null;
  /** The secret and the place of the database (secret-reference.ts). */
  readonly reference: string;
  readonly everyMinutes: number;
  readonly plugin: string | null;
  readonly slotName: string | null;
  readonly tables: readonly ObservedTable[];
  /** The ARN of a database user, for a login by IAM. */
  readonly iamUserArn: string | null;
}
