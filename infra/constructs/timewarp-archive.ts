/** Where old history goes: a bucket and an Iceberg catalog, as users write it, and what the functions that write and read there may do. */
import { ArnFormat, type Duration, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { TimewarpFunction } from './timewarp-function.ts';

/** Old history as Parquet files of Apache Iceberg tables. */
export interface TimewarpArchiveOptions {
  /** The bucket. Objects that are there already are never changed or deleted. */
  readonly bucket: IBucket;
  /**
   * The folder in the bucket. The functions have rights below it only.
   * @default 'history'
   */
  readonly prefix?: string;
  /**
   * An Iceberg REST catalog, without /v1. Give `archiverFunction` the rights that it needs there.
   * @default that of AWS Glue in this account and region, with rights for the databases of the nodes
   */
  readonly catalogUrl?: string;
  /**
   * The warehouse, as the catalog names it.
   * @default the account for AWS Glue; otherwise none
   */
  readonly warehouse?: string;
  /**
   * How often a run of the archive starts, in minutes, from 15 to 1440.
   * @default 60
   */
  readonly everyMinutes?: number;
}

/** How the history of one table is archived. */
export interface TimewarpTableArchive {
  /** History older than this is archived. It must be shorter than the retention. */
  readonly hot: Duration;
  /**
   * Whether history that is archived and verified is dropped from the store (docs/archive.md).
   * @default false
   */
  readonly drop?: boolean;
  /**
   * A unit with fewer rows waits.
   * @default 1000000
   */
  readonly minRows?: number;
}

/** The archive of a deployment, as the constructs take it. */
export interface ArchivePlace {
  readonly bucketName: string;
  readonly bucketArn: string;
  readonly prefix: string;
  /** The customer key of the bucket; null: none. */
  readonly keyArn: string | null;
  /** null: AWS Glue. */
  readonly catalogUrl: string | null;
  readonly warehouse: string | null;
  readonly everyMinutes: number;
}

export const ARCHIVE_PREFIX = /^[\w.=-]+(?:\/[\w.=-]+)*$/;
const [SHORTEST, LONGEST] = [15, 1440];

/** Throws an Error with the mistake. */
export function archivePlace(options: TimewarpArchiveOptions): ArchivePlace {
  const { bucket, prefix = 'history', catalogUrl = null, warehouse = null, everyMinutes = 60 } = options;
  const refuse = (said: string): never => {
    throw new Error(`There is no archive: ${said}.`);
  };
  if (!ARCHIVE_PREFIX.test(prefix)) refuse('its prefix must be the name of a folder, such as a/b');
  if (!Number.isInteger(everyMinutes) || everyMinutes < SHORTEST || everyMinutes > LONGEST)
    refuse(`its everyMinutes must be a whole number from ${SHORTEST} to ${LONGEST}`);
  const keyArn = bucket.encryptionKey?.keyArn ?? null;
  const { bucketName, bucketArn } = bucket;
  return { bucketName, bucketArn, prefix, keyArn, catalogUrl, warehouse, everyMinutes };
}

/** The variable that lets a function answer through the archive. */
export function readingVariables({ bucketName, prefix }: ArchivePlace): Record<string, string> {
  return { PGTIMEWARP_ARCHIVE_URL: `s3://${bucketName}/${prefix}` };
}

/** The variables by which the function finds bucket and catalog: those of the command line. */
export function archiveVariables(stack: Stack, place: ArchivePlace): Record<string, string> {
  const { catalogUrl, warehouse } = place;
  const named = catalogUrl === null ? (warehouse ?? stack.account) : warehouse;
  return {
    ...readingVariables(place),
    PGTIMEWARP_CATALOG_URL: catalogUrl ?? `https://glue.${stack.region}.${stack.urlSuffix}/iceberg`,
    ...(named === null ? {} : { PGTIMEWARP_CATALOG_WAREHOUSE: named }),
    // the host is not known yet when the template is made
    ...(catalogUrl === null ? { PGTIMEWARP_CATALOG_SIGNING: `glue/${stack.region}` } : {}),
  };
}

/** Lets a function read the objects below the prefix, and nothing else of the bucket. */
export function letReadArchive(reader: TimewarpFunction, place: ArchivePlace): void {
  allowObjects(reader, place, { objects: ['s3:GetObject'], key: ['kms:Decrypt'] });
}

function allowObjects(
  to: TimewarpFunction,
  { bucketArn, prefix, keyArn }: ArchivePlace,
  actions: { readonly objects: string[]; readonly key: string[] },
): void {
  const objects = `${bucketArn}/${prefix}/*`;
  to.policy.addStatements(new PolicyStatement({ actions: actions.objects, resources: [objects] }));
  accept(to, objects, 'The objects of the archive: their names have digests of what they contain.');
  if (keyArn === null) return;
  to.policy.addStatements(
    new PolicyStatement({
      actions: actions.key,
      resources: [keyArn],
      conditions: { StringLike: { 'kms:ViaService': 's3.*' } },
    }),
  );
}

/** The rights of the archiver: to write and read objects below the prefix, and in Glue to make and change tables of the nodes. */
export class ArchiveRights {
  readonly #glue: PolicyStatement | null;
  readonly #archiver: TimewarpFunction;

  constructor(archiver: TimewarpFunction, place: ArchivePlace) {
    this.#archiver = archiver;
    allowObjects(archiver, place, {
      objects: ['s3:GetObject', 's3:PutObject'],
      key: ['kms:Decrypt', 'kms:GenerateDataKey'],
    });
    if (place.catalogUrl !== null) {
      this.#glue = null;
      return;
    }
    const stack = Stack.of(archiver);
    this.#glue = new PolicyStatement({
      actions: [
        'glue:CreateDatabase',
        'glue:CreateTable',
        'glue:GetCatalog',
        'glue:GetTable',
        'glue:UpdateTable',
      ],
      resources: [
        stack.formatArn({ service: 'glue', resource: 'catalog', arnFormat: ArnFormat.NO_RESOURCE_NAME }),
      ],
    });
    archiver.policy.addStatements(this.#glue);
  }

  /** Lets it make and change the tables of a node. A node is a database of the catalog; `*`: every node. */
  forNode(node: string): void {
    if (this.#glue === null) return;
    const stack = Stack.of(this.#archiver);
    const arn = (resource: string, resourceName: string): string =>
      stack.formatArn({ service: 'glue', resource, resourceName });
    const tables = arn('table', `${node}/*`);
    this.#glue.addResources(arn('database', node), tables);
    accept(
      this.#archiver,
      tables,
      'The tables of one node, of which the function makes one for each archived table.',
    );
    if (node === '*') accept(this.#archiver, arn('database', node), 'The nodes, which only the store lists.');
  }
}

/** A finding of cdk-nag that stays: a right for more than one thing. */
function accept(of: TimewarpFunction, arn: string, reason: string): void {
  const text = JSON.stringify(Stack.of(of).resolve(arn)) ?? arn;
  Validations.of(of).acknowledge({
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${nagName(text)}]`,
    reason,
  });
}

/** An ARN as cdk-nag writes it. */
function nagName(resolved: string): string {
  const value = JSON.parse(resolved) as unknown;
  const part = (each: unknown): string => {
    if (typeof each === 'string') return each;
    const {
      Ref,
      'Fn::GetAtt': attribute,
      'Fn::Join': join,
    } = each as {
      Ref?: string;
      'Fn::GetAtt'?: string[];
      'Fn::Join'?: [string, unknown[]];
    };
    if (Ref !== undefined) return `<${Ref}>`;
    if (attribute !== undefined) return `<${attribute.join('.')}>`;
    return join === undefined ? '' : join[1].map(part).join(join[0]);
  };
  return part(value);
}
