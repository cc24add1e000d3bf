/** An observed database: how its login and its place are found. */
import { Token } from 'aws-cdk-lib';
import type { IConnectable } from 'aws-cdk-lib/aws-ec2';
import type {
  DatabaseCluster,
  DatabaseInstance,
  IDatabaseCluster,
  IDatabaseInstance,
} from 'aws-cdk-lib/aws-rds';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { IDependable } from 'constructs';
import { completeArn } from './complete-arn.ts';
import type { DatabasePlace } from './secret-reference.ts';

interface SourceParts {
  readonly secretArn: string;
  readonly keyArn: string | undefined;
  readonly place: DatabasePlace;
  /** What must admit the functions, and be there before the deployment connects to it. */
  readonly database: (IConnectable & IDependable) | null;
}

/** An observed database. The functions read it at its writer, never through a proxy. */
export class TimewarpSource {
  /**
   * An Aurora cluster: the functions may connect to its default port.
   * @param secret of the login that reads the WAL. Without it, that of the cluster itself, whose login may do far more than is needed
   */
  static fromCluster(cluster: IDatabaseCluster, secret?: ISecret): TimewarpSource {
    const login = secret ?? (cluster as DatabaseCluster).secret;
    if (login === undefined)
      throw new Error(`The secret of the cluster ${cluster.node.path} is not known: name one.`);
    const { hostname, port } = cluster.clusterEndpoint;
    return new TimewarpSource({
      ...known(login),
      place: { host: hostname, port: Token.asString(port) },
      database: cluster,
    });
  }

  /**
   * A database instance of RDS: the functions may connect to its default port.
   * @param secret of the login that reads the WAL. Without it, that of the instance itself
   */
  static fromInstance(instance: IDatabaseInstance, secret?: ISecret): TimewarpSource {
    const login = secret ?? (instance as DatabaseInstance).secret;
    if (login === undefined)
      throw new Error(`The secret of the instance ${instance.node.path} is not known: name one.`);
    const { hostname, port } = instance.instanceEndpoint;
    return new TimewarpSource({
      ...known(login),
      place: { host: hostname, port: Token.asString(port) },
      database: instance,
    });
  }

  /** Any PostgreSQL: `{"host", "port", "username", "password", "dbname"}`, or `{"url"}`. It must admit `Timewarp.connections`. */
  static fromSecret(secret: ISecret): TimewarpSource {
    return new TimewarpSource({ ...known(secret), place: {}, database: null });
  }

  /** @internal */
  readonly _parts: SourceParts;

  private constructor(parts: SourceParts) {
    this._parts = parts;
  }
}

function known(secret: ISecret): { secretArn: string; keyArn: string | undefined } {
  return { secretArn: completeArn(secret), keyArn: secret.encryptionKey?.keyArn };
}
