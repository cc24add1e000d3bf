/** How the history of a table is archived (core/archive/change-archive.ts). */
export interface ObservedArchive {
  readonly hot: string;
  readonly drop: boolean;
  /** null: the default. */
  readonly minRows: number | null;
}

/** One observed database, as the functions and the custom resource name it. */
export interface ObservedTable {
  readonly name: string;
  readonly exclude: readonly string[];
  readonly retention: string | null;
  readonly baseline: boolean;
  readonly noNan: boolean;
  readonly shared: boolean;
  /** null: it has no archive. */
  readonly archive: ObservedArchive | null;
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
