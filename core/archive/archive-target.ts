/** Where the archive is: a bucket and a catalog. */
import zlib from 'node:zlib';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { Catalog, type CatalogOptions } from './catalog.ts';
import { ObjectStore, parseS3Url } from './object-store.ts';

export interface ArchiveTarget {
  readonly objects: ObjectStore;
  readonly catalog: Catalog;
  /** s3://bucket/prefix: new tables get a folder below it. */
  readonly baseUrl: string;
}

export interface ArchiveAddress {
  readonly archiveUrl: string;
  readonly catalogUrl: string;
  readonly warehouse: string | null;
  /** SERVICE or SERVICE/REGION of AWS's signatures; null: by the host. */
  readonly signing: string | null;
  readonly token: string | null;
}

const AMAZON = /^([a-z0-9]+)\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$/;

/** Opens no connection. Throws BAD_FLAGS when an address is none, or this Node cannot compress the files. */
export function openArchive(address: ArchiveAddress): ArchiveTarget {
  if ((zlib.zstdCompressSync as unknown) === undefined)
    throw new TimewarpError('BAD_FLAGS', `Node ${process.versions.node} has no zstd.`, {
      remedy: 'Run the archive with Node 22.15 or later.',
    });
  parseS3Url(address.archiveUrl);
  const objects = new ObjectStore();
  const { catalogUrl: url, warehouse, token } = address;
  const catalog = new Catalog({ url, warehouse, token, signing: signingOf(address, objects) });
  return { objects, catalog, baseUrl: address.archiveUrl.replace(/\/+$/, '') };
}

/** Amazon's catalogs want signed requests: the first two names of the host are the service and the region. */
function signingOf({ catalogUrl, signing }: ArchiveAddress, objects: ObjectStore): CatalogOptions['signing'] {
  let host: string;
  try {
    host = new URL(catalogUrl).host;
  } catch {
    throw new TimewarpError('BAD_FLAGS', 'The address of the catalog is no URL.', {
      remedy: 'Write it as https://glue.eu-central-1.amazonaws.com/iceberg.',
    });
  }
  const [service, region] = signing?.split('/') ?? AMAZON.exec(host)?.slice(1, 3) ?? [];
  if (service === undefined) return null;
  return {
    service,
    region: region ?? process.env.AWS_REGION ?? 'us-east-1',
    keys: () => objects.client.config.credentials(),
  };
}
