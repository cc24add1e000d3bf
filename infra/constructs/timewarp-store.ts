/** Which database has the history: a new Aurora cluster, or a database that is there. */
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';

/** What a new store is when nothing else is said. */
export const SERVERLESS_DEFAULTS = {
  engineVersion: '17.9',
  minCapacity: 0.5,
  maxCapacity: 2,
  backupDays: 7,
  rotationDays: 30,
} as const;

/** A new Aurora PostgreSQL Serverless v2 cluster. */
export interface ServerlessStoreProps {
  /**
   * A version of Aurora PostgreSQL from 15 on.
   * @default '17.9'
   */
  readonly engineVersion?: string;
  /**
   * In Aurora capacity units.
   * @default 0.5
   */
  readonly minCapacity?: number;
  /**
   * In Aurora capacity units.
   * @default 2
   */
  readonly maxCapacity?: number;
  /**
   * How long Aurora keeps its backups.
   * @default 7
   */
  readonly backupDays?: number;
  /**
   * How often the passwords change; 0: never, for regions without the serverless application repository.
   * @default 30
   */
  readonly rotationDays?: number;
  /**
   * The parameter max_connections of the cluster.
   * @default the limit of Aurora for its capacity
   */
  readonly maxConnections?: number;
}

/** A PostgreSQL database that is there already. */
export interface ExistingStoreProps {
  /** The login that owns the database. */
  readonly ownerSecret: ISecret;
  /** The login of the functions that write. The deployment makes it. */
  readonly writerSecret: ISecret;
  /** The login of the HTTP API. The deployment makes it. */
  readonly readerSecret: ISecret;
  /**
   * The host, for secrets that lack it.
   * @default from the secrets
   */
  readonly host?: string;
  /**
   * The port, for secrets that lack it.
   * @default from the secrets
   */
  readonly port?: number;
  /**
   * The name of the database, for secrets that lack it.
   * @default from the secrets
   */
  readonly database?: string;
}

/** Which database has the history. */
export class TimewarpStore {
  /** A new Aurora PostgreSQL Serverless v2 cluster, encrypted, private, protected from deletion. */
  static serverless(props: ServerlessStoreProps = {}): TimewarpStore {
    return new TimewarpStore(props, undefined);
  }

  /** A PostgreSQL database that is there. It must admit the security group of the functions (`Timewarp.connections`). */
  static existing(props: ExistingStoreProps): TimewarpStore {
    return new TimewarpStore(undefined, props);
  }

  /** @internal */
  readonly _serverless: ServerlessStoreProps | undefined;
  /** @internal */
  readonly _existing: ExistingStoreProps | undefined;

  private constructor(
    serverless: ServerlessStoreProps | undefined,
    existing: ExistingStoreProps | undefined,
  ) {
    this._serverless = serverless;
    this._existing = existing;
  }
}
