/** The parts of the constructs that a configuration describes. */
import type { Stack } from 'aws-cdk-lib';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { ApiConfiguration, DeploymentConfiguration } from '../config/schema.ts';
import type { ObservedNode } from '../constructs/observed-node.ts';
import { secretReference } from '../constructs/secret-reference.ts';
import type { ArchivePlace } from '../constructs/timewarp-archive.ts';
import { TimewarpAuthorization } from '../constructs/timewarp-authorization.ts';
import { signInVariable } from '../constructs/timewarp-page.ts';
import { TimewarpStore } from '../constructs/timewarp-store.ts';

export function authorization({ authorization: wanted }: ApiConfiguration): TimewarpAuthorization {
  if (wanted.kind === 'iam') return TimewarpAuthorization.iam();
  const { issuer, audience, tablesClaim } = wanted;
  return TimewarpAuthorization.jwt({ issuer, audience, ...(tablesClaim === null ? {} : { tablesClaim }) });
}

/** How people sign in to the page; null: there is no page. */
export function signIn(api: ApiConfiguration): string | null {
  if (api.page === null) return null;
  const { clientId, scopes, tokenOrigin } = api.page;
  return signInVariable(
    { clientId, scopes, ...(tokenOrigin === null ? {} : { tokenOrigin }) },
    authorization(api),
  );
}

export function observedNodes({ nodes, sourceSecretPrefix }: DeploymentConfiguration): ObservedNode[] {
  return nodes.map(({ sourceSecretArn: secretArn, database, ...wanted }) => ({
    ...wanted,
    secretArn,
    reference:
      secretArn === null ? `${sourceSecretPrefix}${wanted.node}` : secretReference(secretArn, database),
  }));
}

/** null: the deployment has no archive. */
export function archivePlaceOf(stack: Stack, { archive }: DeploymentConfiguration): ArchivePlace | null {
  if (archive === null) return null;
  const { bucket: bucketName, kmsKeyArn: keyArn, ...place } = archive;
  return { ...place, bucketName, bucketArn: `arn:${stack.partition}:s3:::${bucketName}`, keyArn };
}

/** @param scope in which the CDK keeps the secrets of an existing store; it makes no resources for them */
export function storeOf(scope: Construct, { store }: DeploymentConfiguration): TimewarpStore {
  if (store.kind === 'new') {
    const { kind, rotationDays, maxConnections, ...wanted } = store;
    return TimewarpStore.serverless({
      ...wanted,
      rotationDays: rotationDays ?? 0,
      ...(maxConnections === null ? {} : { maxConnections }),
    });
  }
  const secret = (name: string, arn: string): ISecret => Secret.fromSecretCompleteArn(scope, name, arn);
  const { host, port, dbname } = store.database ?? {};
  return TimewarpStore.existing({
    ownerSecret: secret('OwnerSecret', store.ownerSecretArn),
    writerSecret: secret('WriterSecret', store.writerSecretArn),
    readerSecret: secret('ReaderSecret', store.readerSecretArn),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(dbname === undefined ? {} : { database: dbname }),
  });
}
