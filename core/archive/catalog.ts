/**
 * An Iceberg REST catalog (its OpenAPI document: "Iceberg REST Catalog API"): namespaces, tables, commits. A commit is never repeated
 * here: after an error nobody knows whether it took place, and the caller has to look (commit-unit.ts).
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { formatExact, parseExact } from './exact-json.ts';
import { type SigningScope, signRequest } from './sign-request.ts';

export interface CatalogOptions {
  /** The base, without /v1. */
  readonly url: string;
  /** As the catalog names it; null: its default. */
  readonly warehouse: string | null;
  readonly token: string | null;
  /** null: requests are not signed. */
  readonly signing: SigningScope | null;
}

export interface Snapshot {
  readonly 'snapshot-id': number | bigint;
  readonly 'sequence-number'?: number | bigint;
  readonly 'manifest-list': string;
  readonly summary?: Readonly<Record<string, string>>;
}

export interface TableMetadata {
  readonly 'format-version': number;
  readonly 'table-uuid': string;
  readonly location: string;
  readonly 'last-sequence-number'?: number | bigint;
  readonly 'current-snapshot-id'?: number | bigint | null;
  readonly 'current-schema-id'?: number;
  readonly 'default-spec-id'?: number;
  readonly snapshots?: readonly Snapshot[];
  readonly properties?: Readonly<Record<string, string>>;
}

export interface LoadedTable {
  readonly metadata: TableMetadata;
  readonly metadataLocation: string | null;
}

/** A namespace and a name of the catalog. */
export interface TableId {
  readonly namespace: string;
  readonly name: string;
}

/** unclear: without looking, nobody knows whether the commit took place. */
export type CommitOutcome = 'committed' | 'conflict' | 'unclear';

const TIMEOUT_MS = 60_000;

export class Catalog {
  readonly #options: CatalogOptions;
  #prefix: Promise<string> | null = null;

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  /** null: there is no such table. */
  async loadTable({ namespace, name }: TableId): Promise<LoadedTable | null> {
    const answer = await this.#ask('GET', `namespaces/${part(namespace)}/tables/${part(name)}`);
    return answer.status === 404 ? null : loaded(this.#require(answer));
  }

  /** Does nothing if it exists. */
  async createNamespace(namespace: string): Promise<void> {
    const answer = await this.#ask('POST', 'namespaces', { namespace: [namespace], properties: {} });
    if (answer.status !== 409) this.#require(answer);
  }

  /** @returns null: it exists already */
  async createTable(id: TableId, request: object): Promise<LoadedTable | null> {
    const body = { name: id.name, ...request };
    const answer = await this.#ask('POST', `namespaces/${part(id.namespace)}/tables`, body);
    return answer.status === 409 ? null : loaded(this.#require(answer));
  }

  /** Throws only if the catalog has certainly not committed. */
  async commit(
    id: TableId,
    requirements: readonly object[],
    updates: readonly object[],
  ): Promise<CommitOutcome> {
    const identifier = { namespace: [id.namespace], name: id.name };
    const path = `namespaces/${part(id.namespace)}/tables/${part(id.name)}`;
    let answer: Answer;
    try {
      answer = await this.#ask('POST', path, { identifier, requirements, updates });
    } catch (error) {
      if (error instanceof TimewarpError && error.code === 'ARCHIVE_UNREACHABLE') return 'unclear';
      throw error;
    }
    if (answer.status === 409) return 'conflict';
    if (answer.status >= 500) return 'unclear';
    this.#require(answer);
    return 'committed';
  }

  /** The catalog says under which prefix the warehouse is. */
  async #askPrefix(): Promise<string> {
    const { warehouse } = this.#options;
    const query = warehouse === null ? '' : `?warehouse=${encodeURIComponent(warehouse)}`;
    const config = this.#require(await this.#send('GET', `config${query}`)) as {
      overrides?: Record<string, string>;
      defaults?: Record<string, string>;
    };
    return config.overrides?.prefix ?? config.defaults?.prefix ?? '';
  }

  async #ask(method: string, path: string, body?: object): Promise<Answer> {
    this.#prefix ??= this.#askPrefix();
    const prefix = await this.#prefix.catch((error: unknown) => {
      this.#prefix = null;
      throw error;
    });
    return this.#send(method, prefix === '' ? path : `${prefix}/${path}`, body);
  }

  async #send(method: string, path: string, body?: object): Promise<Answer> {
    const { url: base, token, signing } = this.#options;
    const url = new URL(`${base.replace(/\/+$/, '')}/v1/${path}`);
    const text = body === undefined ? '' : formatExact(body);
    const headers: Record<string, string> = {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    };
    if (signing !== null) Object.assign(headers, await signRequest({ method, url, body: text }, signing));
    try {
      const response = await fetch(url, {
        method,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: text }),
      });
      return { method, path, status: response.status, text: await response.text() };
    } catch (error) {
      throw new TimewarpError('ARCHIVE_UNREACHABLE', `The catalog ${url.origin} did not answer.`, {
        cause: error,
      });
    }
  }

  #require({ method, path, status, text }: Answer): unknown {
    if (status >= 200 && status < 300) return text === '' ? null : parseExact(text);
    const said = text.slice(0, 300).replace(/\s+/g, ' ');
    throw new TimewarpError(
      'ARCHIVE_UNREACHABLE',
      `The catalog refused ${method} ${path}: ${status} ${said}`,
      {
        facts: { status },
      },
    );
  }
}

interface Answer {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly text: string;
}

function loaded(answer: unknown): LoadedTable {
  const { metadata, 'metadata-location': location } = answer as {
    metadata: TableMetadata;
    'metadata-location'?: string;
  };
  return { metadata, metadataLocation: location ?? null };
}

const part = encodeURIComponent;
