/**
 * The objects of the archive, in a bucket of S3 or of a server that speaks its language. An object is written once and never
 * overwritten: `If-None-Match: *` makes the server refuse a second writer (S3 user guide, "Conditional writes").
 */
import { createReadStream, createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { sha256, type WrittenFile } from './write-parquet.ts';

/** The digest is metadata of the object, so that a look at it says whether it is the same. */
const DIGEST = 'sha256';

/** The server's answer that the object exists, and that two wrote it at once. */
const EXISTS = 412;
const TOGETHER = 409;
const TRIES = 5;

/** Without these the client would wait for ever. It tries three times. */
const CONNECT_MS = 5_000;
const SILENCE_MS = 30_000;

/** Failures are errors here; the client would also print them. */
const ignore = (): void => {};
const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore };

export interface S3Address {
  readonly bucket: string;
  readonly key: string;
}

/** Throws BAD_FLAGS unless the text is s3://bucket/key; the key may be empty. */
export function parseS3Url(url: string): S3Address {
  const match = /^s3a?:\/\/([a-z0-9][a-z0-9.-]{1,62})(?:\/(.*))?$/.exec(url);
  if (match === null)
    throw new TimewarpError('BAD_FLAGS', `Not the address of a bucket: ${url}`, {
      remedy: 'Write it as s3://bucket or s3://bucket/prefix.',
    });
  return { bucket: match[1]!, key: (match[2] ?? '').replace(/\/+$/, '') };
}

export class ObjectStore {
  readonly client: S3Client;

  /** @param silenceMs a connection on which nothing comes or goes for so long counts as lost */
  constructor(silenceMs = SILENCE_MS) {
    // AWS's own variables name endpoint, region and credentials; another server than Amazon's has no host per bucket
    const own = (process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL) !== undefined;
    this.client = new S3Client({
      forcePathStyle: own,
      requestChecksumCalculation: 'WHEN_REQUIRED', // other servers do not know the newer kinds
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: silenceMs },
      logger: SILENT,
    });
  }

  /** Writes a file under a new name. If the object exists it must be the same. */
  async putFile(url: string, file: WrittenFile): Promise<void> {
    const { localPath, sha256: digest, bytes } = file;
    await this.#putOnce(url, digest, () => ({ Body: createReadStream(localPath), ContentLength: bytes }));
  }

  /** As {@link putFile}. */
  async putBytes(url: string, body: Uint8Array): Promise<void> {
    await this.#putOnce(url, sha256(body), () => ({ Body: body, ContentLength: body.length }));
  }

  async getBytes(url: string): Promise<Uint8Array> {
    return this.#ask(url, async (address) => {
      const { Body } = await this.client.send(new GetObjectCommand(address));
      return Body!.transformToByteArray();
    });
  }

  /** Bytes from `start` up to `end`, without the last one. Throws ARCHIVE_DAMAGED when the object has another digest, or is shorter. */
  async getRange(url: string, digest: string, [start, end]: readonly [number, number]): Promise<Uint8Array> {
    return this.#ask(url, async (address) => {
      const found = await this.client.send(
        new GetObjectCommand({ ...address, Range: `bytes=${start}-${end - 1}` }),
      );
      const bytes = await found.Body!.transformToByteArray();
      if (found.Metadata?.[DIGEST] === digest && bytes.length === end - start) return bytes;
      throw new TimewarpError('ARCHIVE_DAMAGED', `${url} is not what was written.`);
    });
  }

  /** Copies an object to a file. */
  async getFile(url: string, localPath: string): Promise<void> {
    await this.#ask(url, async (address) => {
      const { Body } = await this.client.send(new GetObjectCommand(address));
      await pipeline(Body as Readable, createWriteStream(localPath));
    });
  }

  async #putOnce(
    url: string,
    digest: string,
    body: () => Pick<PutObjectCommandInput, 'Body' | 'ContentLength'>,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#ask(url, async (address) =>
          this.client.send(
            new PutObjectCommand({ ...address, ...body(), IfNoneMatch: '*', Metadata: { [DIGEST]: digest } }),
          ),
        );
        return;
      } catch (error) {
        const status = statusOf(error);
        if (status === EXISTS) return this.#requireSame(url, digest);
        if (status !== TOGETHER || attempt === TRIES) throw error;
      }
    }
  }

  async #requireSame(url: string, digest: string): Promise<void> {
    const found = await this.#ask(url, (address) => this.client.send(new HeadObjectCommand(address)));
    if (found.Metadata?.[DIGEST] === digest) return;
    throw new TimewarpError('ARCHIVE_FOREIGN', `${url} exists, and it is not what this store would write.`);
  }

  async #ask<T>(url: string, request: (address: { Bucket: string; Key: string }) => Promise<T>): Promise<T> {
    const { bucket, key } = parseS3Url(url);
    try {
      return await request({ Bucket: bucket, Key: key });
    } catch (error) {
      if (error instanceof TimewarpError) throw error;
      const status = statusOf(error);
      if (status === 416)
        throw new TimewarpError('ARCHIVE_DAMAGED', `${url} is shorter than what was written.`, {
          cause: error,
        });
      if (status === 404 && (error as Error).name !== 'NoSuchBucket')
        throw new TimewarpError('ARCHIVE_DAMAGED', `${url} is missing.`, { cause: error });
      const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new TimewarpError('ARCHIVE_UNREACHABLE', `The bucket refused ${url} (${said}).`, {
        cause: error,
        facts: { status },
      });
    }
  }
}

/** The HTTP status of a failed request; null without an answer. */
function statusOf(error: unknown): number | null {
  if (error instanceof TimewarpError) return statusOf(error.cause);
  const { $metadata } = (error ?? {}) as { $metadata?: { httpStatusCode?: number } };
  return $metadata?.httpStatusCode ?? null;
}
